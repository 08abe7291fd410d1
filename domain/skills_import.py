"""Many skills at once: JSON lines in and out."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO  # A line is whatever JSON somebody wrote.

import orjson

import models
from domain import skills
from domain.identity import Principal
from domain.skills import MOST_SKILLS, MOST_SOURCES, Skills
from errors import Invalid
from files import Blob

__all__ = ["ImportedSkills", "export", "import_skills"]

_LINE_BYTES = 1024 * 1024
_LINES_AT_ONCE = 20
_ROWS_AT_ONCE = 100
_NAMED_PROBLEMS = 5


@dataclass(slots=True)
class ImportedSkills:
    """What became of the lines, and what was wrong with the first of those that were skipped."""

    enqueued: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)

    def skip(self, line: int, problem: str) -> None:
        self.skipped += 1
        if len(self.problems) < _NAMED_PROBLEMS:
            self.problems.append(f"line {line}: {problem}")


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Bad:
    number: int
    problem: str


async def import_skills(rules: Skills, principal: Principal, path: Path) -> ImportedSkills:
    """A line replaces the skill of its slug. One that is wrong, or one too many, is skipped, and the others go on."""
    importing = _Importing(rules, principal)
    with await asyncio.to_thread(path.open, "rb") as opened:
        lines = _lines(opened)
        while batch := await asyncio.to_thread(lambda: list(islice(lines, _LINES_AT_ONCE))):
            await importing.take(batch)
    return importing.imported


class _Importing:
    def __init__(self, rules: Skills, principal: Principal) -> None:
        self._rules, self._principal = rules, principal
        self.imported = ImportedSkills()
        # Thousands of lines may lead to one address.
        self._vetted: set[str] = set()

    async def take(self, batch: Sequence[_Line | _Bad]) -> None:
        """Addresses are looked up before the transaction; what is there is merged inside, where nobody interferes."""
        vetted = [await self._vet(line) if isinstance(line, _Line) else line for line in batch]
        async with self._rules.changing(self._principal):
            await skills.lock(self._principal)
            room = MOST_SKILLS - await skills.visible_to(self._principal).count()
            for line in vetted:
                try:
                    if isinstance(line, _Bad):
                        raise Invalid("", line.problem)
                    room -= await self._save(line, has_room=room > 0)
                except Invalid as exc:
                    self.imported.skip(line.number, str(exc))
                else:
                    self.imported.enqueued += 1

    async def _vet(self, line: _Line) -> _Line | _Bad:
        sources = line.given.get("sources")
        given = [each for each in sources if isinstance(each, Mapping)] if isinstance(sources, list) else []
        urls = [url for each in given[:MOST_SOURCES] if isinstance(url := each.get("url"), str)]
        try:
            await self._rules.vet(urls, self._vetted)
        except Invalid as exc:
            return _Bad(line.number, f"{exc.field} {exc.problem}")
        self._vetted.update(urls)
        return line

    async def _save(self, line: _Line, *, has_room: bool) -> int:
        """How many skills there are more than before."""
        slug = str(line.given.get("slug"))
        there = await skills.visible_to(self._principal).get_or_none(slug_key=slug.lower())
        content = self._rules.read(_merged(line.given, there), there)
        if there is None and not has_room:
            raise Invalid("", f"a workspace has at most {MOST_SKILLS:,} skills")
        row = there or models.Skill(workspace_id=self._principal.workspace_id)
        self._rules.fill(row, content)
        await row.save(force_create=there is None)
        return 1 if there is None else 0


def _merged(given: Mapping[str, Any], there: models.Skill | None) -> dict[str, Any]:
    if "sources" in given or there is None:
        return dict(given)
    return {**given, "sources": there.sources, "allowedTools": there.allowed_tools}


def _lines(source: BinaryIO) -> Iterator[_Line | _Bad]:
    number = 0
    while line := source.readline(_LINE_BYTES + 1):
        number += 1
        if len(line) > _LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = source.readline(_LINE_BYTES)
            yield _Bad(number, f"is longer than {_LINE_BYTES:,} bytes")
            continue
        if line := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield _line(number, line)


def _line(number: int, line: bytes) -> _Line | _Bad:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _Bad(number, "is not JSON")
    if not isinstance(row, dict):
        return _Bad(number, "is not a JSON object")
    given = {name: row.get(name) for name in ("slug", "description", "instructions")}
    options = row.get("options")
    if options is None:
        return _Line(number, given)
    if not isinstance(options, dict):
        return _Bad(number, "has options that are no object")
    given["sources"], given["allowedTools"] = options.get("instructionSources"), options.get("allowedToolsNames")
    return _Line(number, given)


def export(principal: Principal) -> Blob:
    return Blob(_written(principal), "application/jsonl", filename="skills.jsonl")


async def _written(principal: Principal) -> AsyncIterator[bytes]:
    """Some rows at a time, each lot from where the last ended. What is secret is written as its mask."""
    rows = await skills.visible_to(principal).order_by("id").limit(_ROWS_AT_ONCE)
    while rows:
        yield b"".join(
            orjson.dumps(
                {
                    "slug": row.slug,
                    "description": row.description,
                    "instructions": row.instructions,
                    "options": {"instructionSources": row.sources, "allowedToolsNames": row.allowed_tools},
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for row in rows
        )
        rows = await skills.visible_to(principal).filter(id__gt=rows[-1].id).order_by("id").limit(_ROWS_AT_ONCE)
