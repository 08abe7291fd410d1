"""What a file is: by what it holds, and where that does not tell, by what it is called."""

import re
from typing import NamedTuple

from knowledge.read.document import Format, Kind, Reason, Unreadable

__all__ = ["TEXT", "Sort", "named", "sort_of"]


class Sort(NamedTuple):
    format: Format
    kind: Kind
    language: str | None = None


TEXT = Sort(Format.TEXT, Kind.DOCUMENTATION)
_MARKDOWN = Sort(Format.MARKDOWN, Kind.DOCUMENTATION)
_HTML = Sort(Format.HTML, Kind.WEB, "html")
_PDF = Sort(Format.PDF, Kind.DOCUMENTATION)
_DOCX = Sort(Format.DOCX, Kind.DOCUMENTATION)
_JSONL = Sort(Format.JSONL, Kind.DATA, "json")


def _sorts(format: Format, kind: Kind, languages: str) -> dict[str, Sort]:
    """`language: .ext .ext` on each line."""
    lines = (line.split(":") for line in languages.strip().splitlines())
    return {
        extension: Sort(format, kind, language.strip())
        for language, extensions in lines
        for extension in extensions.split()
    }


_BY_EXTENSION = {
    **dict.fromkeys((".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".tex", ".log", ".srt", ".vtt"), TEXT),
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"), _MARKDOWN),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _HTML),
    **dict.fromkeys((".jsonl", ".ndjson"), _JSONL),
    **_sorts(
        Format.CODE,
        Kind.CODE,
        """
        python: .py .pyi .pyw
        javascript: .js .mjs .cjs .jsx
        typescript: .ts .mts .cts
        tsx: .tsx
        java: .java
        go: .go
        rust: .rs
        c: .c .h
        cpp: .cc .cpp .cxx .hh .hpp .hxx
        c_sharp: .cs
        ruby: .rb
        php: .php
        swift: .swift
        kotlin: .kt .kts
        scala: .scala
        dart: .dart
        elixir: .ex .exs
        erlang: .erl
        haskell: .hs
        lua: .lua
        perl: .pl .pm
        r: .r
        julia: .jl
        zig: .zig
        clojure: .clj .cljs
        graphql: .graphql .gql
        protobuf: .proto
        sql: .sql
        """,
    ),
    **_sorts(
        Format.CODE,
        Kind.SCRIPT,
        """
        bash: .sh .bash .zsh
        powershell: .ps1
        batch: .bat .cmd
        """,
    ),
    **_sorts(
        Format.CODE,
        Kind.WEB,
        """
        css: .css
        scss: .scss .sass .less
        vue: .vue
        svelte: .svelte
        """,
    ),
    **_sorts(
        Format.TEXT,
        Kind.CONFIG,
        """
        yaml: .yaml .yml
        toml: .toml
        ini: .ini .cfg .conf
        properties: .properties
        hcl: .tf .hcl
        """,
    ),
    **_sorts(
        Format.TEXT,
        Kind.DATA,
        """
        json: .json .json5
        csv: .csv
        tsv: .tsv
        xml: .xml .xsd .rss .atom
        """,
    ),
}
_BY_NAME = {
    "dockerfile": Sort(Format.CODE, Kind.CONFIG, "dockerfile"),
    "makefile": Sort(Format.CODE, Kind.SCRIPT, "make"),
    "readme": _MARKDOWN,
}
_BY_MEDIA_TYPE = {
    "text/markdown": _MARKDOWN,
    "text/x-markdown": _MARKDOWN,
    "text/html": _HTML,
    "application/xhtml+xml": _HTML,
    "application/jsonl": _JSONL,
    "application/x-ndjson": _JSONL,
    "application/json": _BY_EXTENSION[".json"],
    "application/yaml": _BY_EXTENSION[".yaml"],
    "text/csv": _BY_EXTENSION[".csv"],
    "text/x-python": _BY_EXTENSION[".py"],
    "text/javascript": _BY_EXTENSION[".js"],
}
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
# An interpreter's name in the first line.
_SHEBANG = re.compile(rb"#!.*?\b(python|bash|sh|node|ruby|perl|php)")
_INTERPRETERS = {b"sh": "bash", b"node": "javascript"}

# What cannot be text, by its first bytes, and what people call it.
_OTHERS = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a compressed file",
    b"BZh": "a compressed file",
    b"\xfd7zXZ": "a compressed file",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"ID3": "a recording",
    b"OggS": "a recording",
    b"SQLite format 3": "a database",
    rb"{\rtf": "an RTF file",
}
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCKED_OFFICE = "EncryptedPackage".encode("utf-16-le")


def sort_of(content: bytes, name: str, media_type: str | None = None) -> Sort:
    """Looks at no more than the first kilobytes; raises `Unreadable` for what can never become text."""
    head = content[:8192]
    if b"%PDF-" in head[:1024]:
        return _PDF
    if head.startswith(b"PK\x03\x04"):
        return _DOCX
    _refuse_others(content, head, name)
    told = named(name, media_type)
    if told is not None and told.format is Format.CODE:
        return told
    if _HTML_START.match(head.lstrip(b"\xef\xbb\xbf")):
        return _HTML
    if told is not None:
        return told
    if shebang := _SHEBANG.match(head):
        interpreter = shebang[1].lower()
        return Sort(Format.CODE, Kind.SCRIPT, _INTERPRETERS.get(interpreter, interpreter.decode()))
    return TEXT


def named(name: str, media_type: str | None = None) -> Sort | None:
    """What the name says, else the media type."""
    base = name.rpartition("/")[2].lower()
    stem, dot, extension = base.rpartition(".")
    if (found := _BY_EXTENSION.get(dot + extension) or _BY_NAME.get(stem or base)) is not None:
        return found
    return _BY_MEDIA_TYPE.get((media_type or "").partition(";")[0].strip().lower())


def _refuse_others(content: bytes, head: bytes, name: str) -> None:
    if head.startswith(_COMPOUND):
        if _LOCKED_OFFICE in content[:65536] or _LOCKED_OFFICE in content[-65536:]:
            raise Unreadable(name, Reason.ENCRYPTED, "is locked with a password")
        raise Unreadable(name, Reason.UNSUPPORTED, "is in an old Office format; save it as DOCX or PDF")
    for start, what in _OTHERS.items():
        if head.startswith(start):
            raise Unreadable(name, Reason.UNSUPPORTED, f"is {what}, which has no text that we can read")
