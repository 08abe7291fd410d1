import strawberry

import models
from domain.gateways.parameters import RemoteSource
from domain.identity import Scope
from resolvers import skills as resolve
from resolvers.parameters import RECORDS
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime, File


@strawberry.type(description="Instructions that a model loads when it needs them.")
class Skill(Node):
    slug: str = strawberry.field(description="What models call it.")
    description: str | None = strawberry.field(description="When to use it, for the model that chooses.")
    instructions: str = strawberry.field(description="What a model is told while the skill is active.")
    allowed_tools: list[str] = strawberry.field(
        description="Names of tools that a model sees while the skill is active, where others are hidden."
    )
    created_at: DateTime = strawberry.field(description="When it was made.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")
    allowed_tools_count = strawberry.field(
        resolver=resolve.allowed_tools_count, graphql_type=int, description="How many tools those are."
    )
    sources = strawberry.field(
        resolver=resolve.sources,
        graphql_type=list[RECORDS.output(RemoteSource)],  # type: ignore[misc]  # made while running
        description="Texts from elsewhere that belong to it.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Skill)


@strawberry.type(description="The skill as it is now.")
class SkillPayload:
    skill: Skill = strawberry.field(description="The skill.")


@strawberry.type(description="What is no longer there.")
class DeleteSkillPayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type(description="What is no longer there.")
class ClearSkillsPayload:
    deleted: int = strawberry.field(description="How many skills there were.")


@strawberry.type(description="The skills of a file, put beside those there were.")
class ImportSkillsPayload:
    enqueued: int = strawberry.field(description="How many lines made or replaced a skill.")
    skipped: int = strawberry.field(description="How many lines were wrong, or too many.")
    problems: list[str] = strawberry.field(description="What was wrong with the first five of them.")


@strawberry.type
class SkillQueries:
    skill = root_field(resolve.skill, Skill, needs=Scope.GATEWAYS_READ, description="One skill.")
    skills = root_field(
        resolve.skills,
        Connection[Skill],
        needs=Scope.GATEWAYS_READ,
        description="The workspace's skills, newest first.",
    )
    skills_export = root_field(
        resolve.skills_export,
        File,
        needs=Scope.GATEWAYS_READ,
        description="All skills as JSON lines, in the form that `importSkills` takes. What is secret in them is shown"
        " as `********`.",
    )


@strawberry.type
class SkillMutations:
    create_skill = root_field(
        resolve.create_skill, SkillPayload, needs=Scope.GATEWAYS_WRITE, description="Make a skill, up to 1,000."
    )
    update_skill = root_field(
        resolve.update_skill, SkillPayload, needs=Scope.GATEWAYS_WRITE, description="Change a skill."
    )
    delete_skill = root_field(
        resolve.delete_skill,
        DeleteSkillPayload,
        needs=Scope.GATEWAYS_WRITE,
        description="Delete a skill. Gateways that name it go on without it.",
    )
    clear_skills = root_field(
        resolve.clear_skills,
        ClearSkillsPayload,
        needs=Scope.GATEWAYS_WRITE,
        description="Delete every skill of the workspace.",
    )
    import_skills = root_field(
        resolve.import_skills,
        ImportSkillsPayload,
        needs=Scope.GATEWAYS_WRITE,
        description="Make or replace many skills, from JSON lines. Lines that are wrong are skipped and counted.",
    )
