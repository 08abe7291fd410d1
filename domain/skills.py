"""Skills: instructions that a model loads when it needs them."""

import re
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final  # What to change may be of any column.
from uuid import UUID

import orjson
from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet

import models
from domain.gateways.checks import check_size, check_source
from domain.gateways.codec import read, write
from domain.gateways.parameters import RemoteSource
from domain.gateways.sealing import Change, Kept, change_source_secrets, opener, sealer
from domain.gateways.vetting import vet_addresses
from domain.identity import Principal
from domain.recent import Recent
from domain.secrets import Secrets
from engine.guard import Guard
from errors import Conflict, Invalid, NotFound
from models.database import connection, transaction

__all__ = ["CHANGED", "MOST_SKILLS", "MOST_SOURCES", "Skill", "SkillContent", "Skills", "sources_of", "visible_to"]

# The channel on which processes tell each other whose skills have changed.
CHANGED: Final = "palaver_skills"
# Of one workspace, and of one skill.
MOST_SKILLS, MOST_SOURCES = 1_000, 16

_SLUG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_INSTRUCTIONS_CHARACTERS, _DESCRIPTION_CHARACTERS = 200_000, 2_000
_MOST_TOOLS, _TOOL_CHARACTERS = 256, 256
_TRIES = 5


@dataclass(frozen=True, slots=True)
class SkillContent:
    """What people write of a skill."""

    slug: str
    instructions: str
    description: str | None = None
    sources: tuple[RemoteSource, ...] = ()
    allowed_tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill as it is, the secrets of its sources and all: for making an answer, and for nothing else."""

    id: UUID
    slug: str
    instructions: str
    description: str | None
    sources: tuple[RemoteSource, ...]
    allowed_tools: tuple[str, ...]


def visible_to(principal: Principal) -> QuerySet[models.Skill]:
    return models.Skill.filter(workspace_id=principal.workspace_id)


def sources_of(row: models.Skill) -> tuple[RemoteSource, ...]:
    """As everybody may read them: masks stand for what is secret."""
    return tuple(read(RemoteSource, source) for source in row.sources)


class Skills:
    def __init__(self, guard: Guard, secrets: Secrets, *, recent: Recent[Skill | None] | None = None) -> None:
        self._guard, self._secrets = guard, secrets
        self._recent = recent or Recent[Skill | None]()

    async def find(self, principal: Principal, skill_id: str) -> models.Skill:
        id = models.parse_id(skill_id)
        found = await visible_to(principal).get_or_none(id=id) if id else None
        if found is None:
            raise NotFound("skill", skill_id)
        return found

    async def by_ids(self, principal: Principal, ids: Sequence[str]) -> list[Skill]:
        """In the order asked. What has been deleted since it was named somewhere is left out."""
        wanted = [id for id in map(models.parse_id, ids) if id]
        found: dict[UUID, Skill | None] = {}
        for id in wanted:
            if (known := self._recent.get(principal.workspace_id, id)) is not None:
                found[id] = known.value
        missing = [id for id in wanted if id not in found]
        if missing:
            since = self._recent.changes
            rows = {row.id: row for row in await visible_to(principal).filter(id__in=missing)}
            for id in missing:
                found[id] = skill = self._opened(rows[id]) if id in rows else None
                size = len(skill.instructions) if skill else 0
                self._recent.put(principal.workspace_id, id, skill, size=size, since=since)
        return [skill for id in dict.fromkeys(wanted) if (skill := found[id])]

    async def create(self, principal: Principal, given: Mapping[str, Any]) -> models.Skill:
        """`given` is a `SkillContent` in the spelling of the wire."""
        content = self.read(given, None)
        await self.vet(source.url for source in content.sources)
        row = models.Skill(workspace_id=principal.workspace_id)
        self.fill(row, content)
        async with self.changing(principal):
            await lock(principal)
            if await visible_to(principal).count() >= MOST_SKILLS:
                raise Conflict(f"A workspace has at most {MOST_SKILLS:,} skills")
            if await visible_to(principal).filter(slug_key=row.slug_key).exists():
                raise _taken(row)
            await row.save(force_create=True)
        return row

    async def update(self, principal: Principal, skill_id: str, changes: Mapping[str, Any]) -> models.Skill:
        """Nothing is locked while name servers are asked: a change that came in between makes this one begin again."""
        for _ in range(_TRIES):
            row = await self.find(principal, skill_id)
            content = self.read({**_written(row), **changes}, row)
            await self.vet((source.url for source in content.sources), {source["url"] for source in row.sources})
            read_at = row.updated_at
            self.fill(row, content)
            try:
                async with self.changing(principal):
                    saved = await visible_to(principal).filter(id=row.id, updated_at=read_at).update(**_columns(row))
            except IntegrityError as exc:
                raise _taken(row) from exc
            if saved:
                return row
        raise Conflict("This skill is being changed by others at the same time: try again")

    async def delete(self, principal: Principal, skill_id: str) -> models.Skill:
        """Gateways that name it go on without it."""
        row = await self.find(principal, skill_id)
        async with self.changing(principal):
            await row.delete()
        return row

    async def clear(self, principal: Principal) -> int:
        async with self.changing(principal):
            await lock(principal)
            return await visible_to(principal).delete()

    def forget(self, workspace_id: str) -> None:
        self._recent.forget(UUID(workspace_id))

    def forget_all(self) -> None:
        """What was missed while not listening may have been a change."""
        self._recent.forget_all()

    # ---------------------------------------------------------------- the steps of a change, for imports as well

    def read(self, given: Mapping[str, Any], before: models.Skill | None) -> SkillContent:
        """What was sent, with kept secrets in the place of their masks; raises for the first thing that is wrong."""
        check_size(given, "The skill")
        content = read(SkillContent, given)
        kept = Kept(lambda note: self._show_secrets(before, note))
        content = replace(content, sources=change_source_secrets(content.sources, kept.restore, "", "sources"))
        _check(content)
        return content

    async def vet(self, addresses: Iterable[str], known: Container[object] = ()) -> None:
        """Those of sources, in their order; what is known already is not looked up again."""
        fields = ((url, f"sources[{number}].url") for number, url in enumerate(addresses))
        await vet_addresses(((url, field) for url, field in fields if url not in known), self._guard)

    def fill(self, row: models.Skill, content: SkillContent) -> None:
        sealed: dict[str, str] = {}
        masked = change_source_secrets(content.sources, sealer(self._secrets, _owner(row), sealed), "", "sources")
        row.slug, row.slug_key = content.slug, content.slug.lower()
        row.description, row.instructions = content.description, content.instructions
        row.sources, row.allowed_tools = write(masked), list(content.allowed_tools)
        row.secrets = orjson.dumps(sealed).decode() if sealed else None
        row.updated_at = datetime.now(UTC)

    @asynccontextmanager
    async def changing(self, principal: Principal) -> AsyncIterator[None]:
        """A transaction of which every process hears when it is done, this one first."""
        try:
            async with transaction(), connection() as bare:
                yield
                await bare.execute("SELECT pg_notify($1, $2)", CHANGED, str(principal.workspace_id))
        finally:
            self._recent.forget(principal.workspace_id)

    def _show_secrets(self, row: models.Skill | None, note: Change) -> None:
        if row is not None:
            change_source_secrets(self._opened(row).sources, note, "", "sources")

    def _opened(self, row: models.Skill) -> Skill:
        sources = sources_of(row)
        if row.secrets is not None:
            opening = opener(self._secrets, _owner(row), orjson.loads(row.secrets))
            sources = change_source_secrets(sources, opening, "", "sources")
        return Skill(row.id, row.slug, row.instructions, row.description, sources, tuple(row.allowed_tools))


async def lock(principal: Principal) -> None:
    """One at a time adds to the skills of a workspace: their number is limited."""
    async with connection() as bare:
        await bare.execute(
            "SELECT pg_advisory_xact_lock(hashtext('palaver.skills'), hashtext($1))", str(principal.workspace_id)
        )


def _check(content: SkillContent) -> None:
    if not _SLUG.fullmatch(content.slug):
        raise Invalid("slug", "must have between 1 and 64 letters, digits, _, . or -")
    if not content.instructions.strip():
        raise Invalid("instructions", "must not be empty")
    if len(content.instructions) > _INSTRUCTIONS_CHARACTERS:
        raise Invalid("instructions", f"must not be longer than {_INSTRUCTIONS_CHARACTERS:,} characters")
    if len(content.description or "") > _DESCRIPTION_CHARACTERS:
        raise Invalid("description", f"must not be longer than {_DESCRIPTION_CHARACTERS:,} characters")
    if len(content.sources) > MOST_SOURCES:
        raise Invalid("sources", f"must not have more than {MOST_SOURCES} items")
    if len(content.allowed_tools) > _MOST_TOOLS:
        raise Invalid("allowedTools", f"must not have more than {_MOST_TOOLS} items")
    for number, source in enumerate(content.sources):
        check_source(source, f"sources[{number}]")
    for number, tool in enumerate(content.allowed_tools):
        if not 0 < len(tool.strip()) <= len(tool) <= _TOOL_CHARACTERS:
            raise Invalid(f"allowedTools[{number}]", f"must have between 1 and {_TOOL_CHARACTERS} characters")


def _taken(row: models.Skill) -> Invalid:
    return Invalid("slug", f"must be another than {row.slug!r}, which a skill has already")


def _written(row: models.Skill) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "instructions": row.instructions,
        "description": row.description,
        "sources": row.sources,
        "allowedTools": row.allowed_tools,
    }


def _columns(row: models.Skill) -> dict[str, Any]:
    names = ("slug", "slug_key", "description", "instructions", "sources", "secrets", "allowed_tools", "updated_at")
    return {name: getattr(row, name) for name in names}


def _owner(row: models.Skill) -> tuple[object, ...]:
    return row.workspace_id, row.id
