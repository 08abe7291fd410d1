"""The process that makes one PDF of HTML; run by `domain/tools/builtin/document.py`, never imported.

What it is made of was written by a model: here it may take its time and its memory, and both are given back. It reads
HTML from standard input and writes the PDF to standard output.
"""

import resource
import sys
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import ResourceAccessPolicy

_FONTS = Path("/usr/share/fonts/truetype/dejavu")
_STYLES = {"": "DejaVuSans", "B": "DejaVuSans-Bold", "I": "DejaVuSans-Oblique", "BI": "DejaVuSans-BoldOblique"}


def main(title: str, seconds: int, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    html = sys.stdin.buffer.read().decode("utf-8", "replace")
    pdf = FPDF()
    # No picture but those in the text itself: neither of our disk nor of our network.
    pdf.resource_access_policy = ResourceAccessPolicy.NONE
    pdf.set_title(title)
    pdf.set_auto_page_break(auto=True, margin=20)
    pdf.add_page()
    family = add_font(pdf)
    if family == "Helvetica":
        # What every PDF reader has by itself knows Western European letters, and no others.
        html = html.encode("cp1252", "replace").decode("cp1252")
    pdf.set_font(family, size=11)
    pdf.write_html(html, font_family=family, warn_on_tags_not_matching=False)
    sys.stdout.buffer.write(bytes(pdf.output()))


def add_font(pdf: FPDF) -> str:
    """One that has most letters, when this machine has it."""
    for style, name in _STYLES.items():
        file = _FONTS / f"{name}.ttf"
        if not file.exists():
            file = _FONTS / ("DejaVuSans-Bold.ttf" if "B" in style else "DejaVuSans.ttf")
        if not file.exists():
            return "Helvetica"
        pdf.add_font("DejaVu", style, file)
    return "DejaVu"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
