"""Documents and pages that a model writes, for people to open by a link."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # Tool arguments are open JSON.

from domain.agents import Tool
from domain.published import DAYS, Published
from domain.tools.builtin.tooling import schema, tool
from errors import ToolFailed

__all__ = ["document_tool", "web_page_tool"]

_CHILD = Path(__file__).with_name("document_child.py")
_SECONDS, _MEMORY_BYTES = 30, 1_000_000_000
_MOST_CHARACTERS = 500_000
# Each takes a core and its memory.
_few = asyncio.Semaphore(2)
_UNNAMEABLE = re.compile(r"[^\w.-]+")

_TITLE = {"type": "string", "minLength": 1, "maxLength": 200, "description": "Its title."}


def document_tool(published: Published) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> Any:
        async with _few:
            content = await _pdf(arguments["html"], arguments["title"])
        link = await published.save(content, "application/pdf", _named(arguments["title"], "pdf"))
        return {"url": link, "expiresInDays": DAYS}

    html = {
        "type": "string",
        "minLength": 1,
        "maxLength": _MOST_CHARACTERS,
        "description": "Simple HTML: headings, paragraphs, lists, tables, bold, italic, links, pictures as data: URLs.",
    }
    return tool(
        "generate_document",
        "Makes a PDF of HTML. Give its url to the person you talk with, as it is.",
        schema(title=_TITLE, html=html, required=["title", "html"]),
        run,
    )


def web_page_tool(published: Published) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> Any:
        name = _named(arguments["title"], "html")
        link = await published.save(arguments["html"].encode(errors="replace"), "text/html", name)
        return {"url": link, "expiresInDays": DAYS}

    html = {
        "type": "string",
        "minLength": 1,
        "maxLength": _MOST_CHARACTERS,
        "description": "The whole page with its styles and scripts in it. It can load nothing from anywhere.",
    }
    return tool(
        "generate_web_page",
        "Publishes a web page. Give its url to the person you talk with, as it is.",
        schema(title=_TITLE, html=html, required=["title", "html"]),
        run,
    )


async def _pdf(html: str, title: str) -> bytes:
    child = await asyncio.create_subprocess_exec(
        # -P: the folder of the child's file holds modules named like Python's own
        *(sys.executable, "-P", str(_CHILD), title, str(_SECONDS), str(_MEMORY_BYTES)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            content, complaint = await child.communicate(html.encode(errors="replace"))
    except TimeoutError as exc:
        raise ToolFailed("generate_document", f"was not done within {_SECONDS} seconds: the HTML is too long") from exc
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0 or not content.startswith(b"%PDF"):
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:300].rstrip(".")
        raise ToolFailed("generate_document", f"could not make a PDF of this HTML: {last or 'it takes too much'}")
    return content


def _named(title: str, ending: str) -> str:
    return f"{_UNNAMEABLE.sub('-', title).strip('-.')[:80] or 'document'}.{ending}"
