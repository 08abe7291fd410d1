"""Who may import whom. Arrows go one way and may skip."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Two leaves that everybody may pick.
LEAVES = {"errors", "files"}

MAY_IMPORT = {
    "models": set[str](),
    "engine": set[str](),
    "knowledge": {"engine", "models"},
    "domain": {"knowledge", "engine", "models"},
    "resolvers": {"domain", "models"},
    # Resolvers for Info, the domain for its events.
    "subscriptions": {"resolvers", "domain"},
    # Rows and events tell union members apart; enums of the domain are the graph's own.
    "schema": {"resolvers", "subscriptions", "domain", "models", "engine"},
    "execution": {"schema"},
    "transport": {"execution"},
    "rest_compat": {"execution", "schema"},
    "app": {
        "transport", "rest_compat", "execution", "schema", "subscriptions", "resolvers", "domain", "knowledge",
        "engine", "models",
    },
}  # fmt: skip


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_run_downward_only(folder: str) -> None:
    ours = {*MAY_IMPORT, *LEAVES, "tests", "bench"}
    allowed = MAY_IMPORT[folder] | LEAVES | {folder}

    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imports_of(path)
        if name in ours and name not in allowed
    }

    assert wrong == set()


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_leaves_stand_on_nothing_of_ours(leaf: str) -> None:
    assert not set(imports_of(ROOT / f"{leaf}.py")) & {*MAY_IMPORT, *LEAVES}


def test_only_app_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in MAY_IMPORT
        if folder != "app"
        for path in (ROOT / folder).rglob("*.py")
        if "os.environ" in (text := path.read_text("utf-8")) or "os.getenv" in text or "app.settings" in text
    }

    assert readers == set()
