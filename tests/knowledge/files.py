"""Small files of every format, made on the spot."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = (
    f"<w:styles {WORD}>"
    '<w:style w:styleId="Kop1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:styleId="Kop2"><w:name w:val="heading 2"/></w:style>'
    '<w:style w:styleId="Ours"><w:name w:val="Chapter of ours"/><w:basedOn w:val="Kop2"/></w:style>'
    "</w:styles>"
)


def pdf(*pages: Sequence[str], title: str | None = None, encrypt: bool = False) -> bytes:
    """One line of text after the other; a page without lines has no text at all."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        shown = "".join(f"({_escaped(line)}) Tj T* " for line in lines)
        stream = zlib.compress(f"BT /F1 12 Tf 14 TL 72 720 Td {shown}ET".encode("latin-1"))
        head = b"<< /Length %d /Filter /FlateDecode >>" % len(stream)
        objects.append(head + b"\nstream\n" + stream + b"\nendstream")
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % kid for kid in kids), len(kids))
    trailer = b"/Root 1 0 R"
    if title is not None:
        objects.append(f"<< /Title ({_escaped(title)}) >>".encode("latin-1"))
        trailer += b" /Info %d 0 R" % len(objects)
    if encrypt:
        lock = b"<" + b"ab" * 32 + b">"
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /O " + lock + b" /U " + lock + b" /P -4 >>")
        trailer += b" /Encrypt %d 0 R /ID [<00> <00>]" % len(objects)
    return _assembled(objects, trailer)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _assembled(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start)
    return bytes(out)


def docx(body: str, parts: Mapping[str, str] | None = None) -> bytes:
    document = f"<w:document {WORD}><w:body>{body}</w:body></w:document>"
    return zipped({"word/document.xml": document, "word/styles.xml": STYLES, **(parts or {})})


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


def paragraph(text: str, style: str = "", *, depth: int | None = None) -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    if depth is not None:
        properties += f'<w:numPr><w:ilvl w:val="{depth}"/></w:numPr>'
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
