"""What an exchange with the real application is given before it begins.

    "given": {
      "settings": {"env": "production"},
      "keys": {"wsk": "WSK", "theirs": {"kind": "WSK", "workspace": "another"}},
      "files": {"docs/guide.md": "# Guide"},
      "memories": {"coffee": {"externalUser": "customer-1", "content": "Likes coffee."}},
      "published": {"page": {"type": "text/html", "name": "page.html", "text": "<p>Hello</p>"}}
    }

Each key stands for its name in braces, `{wsk}`. Keys open a workspace that is new for the exchange, or a second one
that they name; a sync key is bound to the source `shop` unless it names its `source`. Files are made in a folder that
may be indexed, which is `{folder}`. A memory's name stands for its id, and that of a published file for the end of its
link; no API writes them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # JSON is open by nature.

import models
from domain import catalog, keys
from domain.identity import KeyKind
from tests.serving import Served

__all__ = ["arranged"]


async def arranged(given: Mapping[str, Any], served: Served, folder: Path) -> dict[str, str]:
    """The names that the exchange may use, and what they stand for."""
    for name, content in given.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    wanted = {name: _described(key) for name, key in given.get("keys", {}).items()}
    workspaces = {
        name: await _workspace(name, served) for name in {key.get("workspace", "") for key in wanted.values()}
    }
    made = {name: await _key(key, workspaces[key.get("workspace", "")]) for name, key in wanted.items()}
    memories = {
        name: str((await _memory(memory, workspaces[memory.get("workspace", "")])).id)
        for name, memory in given.get("memories", {}).items()
    }
    links = {
        name: await served.runtime.published.save(file["text"].encode(), file["type"], file["name"])
        for name, file in given.get("published", {}).items()
    }
    tokens = {name: link.rpartition("/")[2] for name, link in links.items()}
    return {"folder": str(folder)} | made | memories | tokens


def _described(wanted: str | dict[str, str]) -> dict[str, str]:
    return {"kind": wanted} if isinstance(wanted, str) else wanted


async def _workspace(name: str, served: Served) -> models.Workspace:
    """As the application makes its own when it starts."""
    workspace = await models.Workspace.create(name=name or "theirs alone")
    await served.runtime.embedders.offer(workspace)
    await catalog.offer(workspace, served.runtime.offer)
    return workspace


async def _key(wanted: Mapping[str, str], workspace: models.Workspace) -> str:
    kind = KeyKind(wanted["kind"])
    source = wanted.get("source", "shop") if kind is KeyKind.SSK else None
    _, secret = await keys.create(workspace.id, kind, source=source)
    return secret


async def _memory(wanted: Mapping[str, Any], workspace: models.Workspace) -> models.Memory:
    return await models.Memory.create(
        workspace_id=workspace.id,
        external_user=wanted["externalUser"],
        content=wanted["content"],
        format=models.MemoryFormat(wanted.get("format", "TEXT")),
        expires_at=datetime.now(UTC) + timedelta(days=wanted.get("days", 30)),
    )
