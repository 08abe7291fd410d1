"""The process that reads one PDF; run by `knowledge/read/pdf.py`, never imported.

A PDF comes from anybody, and its reader is a million lines of C++: here it can crash, hang or eat memory, and only this
one file is not read. The first line of standard output says what became of it, then comes one line for each page.
"""

import json
import resource
import sys

import pypdfium2  # type: ignore[import-untyped]  # ships no stubs
from pypdfium2 import PdfiumError
from pypdfium2.raw import FPDF_ERR_PASSWORD  # type: ignore[import-untyped]


def main(path: str, seconds: float, memory_bytes: int, pages: int, characters: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        pdf = pypdfium2.PdfDocument(path)
    except PdfiumError as exc:
        tell({"reason": "encrypted" if exc.err_code == FPDF_ERR_PASSWORD else "damaged"})
        return
    if len(pdf) > pages:
        tell({"reason": "too_large", "pages": len(pdf)})
        return
    tell({"pages": len(pdf), "title": pdf.get_metadata_value("Title")})
    for number in range(len(pdf)):
        text = words_of(pdf, number)
        characters -= len(text)
        if characters < 0:
            return
        tell(text)


def words_of(pdf: pypdfium2.PdfDocument, number: int) -> str:
    try:
        page = pdf[number]
        words = page.get_textpage()
    except PdfiumError:  # one broken page does not spoil the others
        return ""
    text = str(words.get_text_bounded())
    words.close()
    page.close()
    return text


def tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:]))
