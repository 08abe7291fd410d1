from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import skills as rules
from domain import skills_import
from domain.gateways.parameters import RemoteSource
from domain.skills_import import ImportedSkills
from errors import Invalid
from files import Blob
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_rows
from resolvers.parameters import RemoteSourceInput
from resolvers.records import given
from resolvers.scalars import Upload


@strawberry.input(description="A skill to make.")
class CreateSkillInput:
    slug: str = strawberry.field(
        description="What models call it: 1 to 64 letters, digits, `_`, `.` or `-`, unique whatever their case."
    )
    instructions: str = strawberry.field(description="What a model is told while the skill is active.")
    description: str | None = strawberry.field(default=UNSET, description="When to use it, for the model that chooses.")
    sources: list[RemoteSourceInput] | None = strawberry.field(
        default=UNSET, description="Texts from elsewhere that belong to it, up to 16."
    )
    allowed_tools: list[str] | None = strawberry.field(
        default=UNSET,
        description="Names of tools that a model sees while the skill is active, where others are hidden.",
    )


@strawberry.input(description="What to change of a skill. What is left out stays.")
class UpdateSkillInput:
    id: strawberry.ID = strawberry.field(description="The skill.")
    slug: str | None = strawberry.field(default=UNSET, description="What models call it from now on.")
    instructions: str | None = strawberry.field(default=UNSET, description="What a model is told from now on.")
    description: str | None = strawberry.field(default=UNSET, description="When to use it; null for nothing.")
    sources: list[RemoteSourceInput] | None = strawberry.field(
        default=UNSET, description="All texts from elsewhere that belong to it; null for none."
    )
    allowed_tools: list[str] | None = strawberry.field(
        default=UNSET, description="The names of all tools that it brings; null for none."
    )


@strawberry.input(description="A skill to delete.")
class DeleteSkillInput:
    id: strawberry.ID = strawberry.field(description="The skill.")


@strawberry.input(description="The skills to delete, which are all there are.")
class ClearSkillsInput:
    everything: bool = strawberry.field(description="Has to be true: nothing brings them back.")


@strawberry.input(description="Skills from a file with one JSON object in each line.")
class ImportSkillsInput:
    file: Upload = strawberry.field(
        description="Each line has `slug` and `instructions`, and may have `description` and `options`, which hold"
        " `instructionSources` and `allowedToolsNames`. It replaces the skill of its slug; without options, those there"
        " are stay."
    )


@dataclass(frozen=True, slots=True)
class SkillPayload:
    skill: models.Skill


@dataclass(frozen=True, slots=True)
class DeleteSkillPayload:
    deleted_id: UUID


@dataclass(frozen=True, slots=True)
class ClearSkillsPayload:
    deleted: int


async def skill(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The skill.")]
) -> models.Skill:
    return await info.context.services.skills.find(info.context.principal, id)


async def skills(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
) -> Page[models.Skill]:
    found = rules.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


def skills_export(info: Info) -> Blob:
    return skills_import.export(info.context.principal)


# ---------------------------------------------------------------- changes


async def create_skill(
    info: Info, input: Annotated[CreateSkillInput, strawberry.argument(description="The skill.")]
) -> SkillPayload:
    return SkillPayload(await info.context.services.skills.create(info.context.principal, given(input)))


async def update_skill(
    info: Info, input: Annotated[UpdateSkillInput, strawberry.argument(description="What to change.")]
) -> SkillPayload:
    changes = {name: value for name, value in given(input).items() if name != "id"}
    return SkillPayload(await info.context.services.skills.update(info.context.principal, input.id, changes))


async def delete_skill(
    info: Info, input: Annotated[DeleteSkillInput, strawberry.argument(description="Which one.")]
) -> DeleteSkillPayload:
    return DeleteSkillPayload((await info.context.services.skills.delete(info.context.principal, input.id)).id)


async def clear_skills(
    info: Info, input: Annotated[ClearSkillsInput, strawberry.argument(description="That it is meant.")]
) -> ClearSkillsPayload:
    if not input.everything:
        raise Invalid("everything", "must be true")
    return ClearSkillsPayload(await info.context.services.skills.clear(info.context.principal))


async def import_skills(
    info: Info, input: Annotated[ImportSkillsInput, strawberry.argument(description="The file.")]
) -> ImportedSkills:
    return await skills_import.import_skills(info.context.services.skills, info.context.principal, input.file.path)


# ---------------------------------------------------------------- fields


def sources(root: strawberry.Parent[models.Skill]) -> list[RemoteSource]:
    return list(rules.sources_of(root))


def allowed_tools_count(root: strawberry.Parent[models.Skill]) -> int:
    return len(root.allowed_tools)
