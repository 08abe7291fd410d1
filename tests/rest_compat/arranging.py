"""What an exchange with the real application is given before it begins.

    "given": {
      "settings": {"env": "production"},
      "keys": {"wsk": "WSK", "theirs": {"kind": "WSK", "workspace": "another"}},
      "files": {"docs/guide.md": "# Guide"}
    }

Each key stands for its name in braces, `{wsk}`; a sync key is bound to the source `shop` unless it names its `source`.
Files are made in a folder that may be indexed, which is `{folder}`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any  # JSON is open by nature.

import models
from domain import keys
from domain.identity import KeyKind
from tests.serving import Served

__all__ = ["arranged"]


async def arranged(given: Mapping[str, Any], served: Served, folder: Path) -> dict[str, str]:
    """The names that the exchange may use, and what they stand for."""
    for name, content in given.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    made = {name: await _key(_described(wanted), served) for name, wanted in given.get("keys", {}).items()}
    return {"folder": str(folder)} | made


def _described(wanted: str | dict[str, str]) -> dict[str, str]:
    return {"kind": wanted} if isinstance(wanted, str) else wanted


async def _key(wanted: dict[str, str], served: Served) -> str:
    kind, workspace = KeyKind(wanted["kind"]), served.runtime.workspace
    if "workspace" in wanted:
        workspace, is_new = await models.Workspace.get_or_create(name=wanted["workspace"])
        if is_new:
            await served.runtime.embedders.offer(workspace)
    source = wanted.get("source", "shop") if kind is KeyKind.SSK else None
    _, secret = await keys.create(workspace.id, kind, source=source)
    return secret
