from dataclasses import dataclass
from typing import Annotated

import strawberry

import models
from domain import keys
from domain.identity import KeyKind, Principal, Scope
from errors import NotFound
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Page, PageArgs, page_of_rows


@strawberry.input(description="A key to make.")
class CreateKeyInput:
    kind: KeyKind = strawberry.field(description="What it is for.")
    label: str | None = strawberry.field(default=None, description="A name to know it by, up to 256 characters.")
    domains: list[str] = strawberry.field(
        default_factory=list,
        description="Whose pages may use it: `example.com`, `*.example.com`, `localhost:3000`, an origin, or `*`;"
        " up to 100.",
    )
    source: str | None = strawberry.field(default=None, description="The sync source it belongs to, for an `SSK`.")
    expires_days: int | None = strawberry.field(
        default=None, description="After how many days it ends, up to 36,500; never when left out."
    )


@strawberry.input(description="A key to end.")
class RevokeKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id, not the key itself.")


@dataclass(frozen=True, slots=True)
class CreateKeyPayload:
    key: models.ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyPayload:
    key: models.ApiKey


def me(info: Info) -> Principal:
    return info.context.principal


async def workspace(info: Info) -> models.Workspace:
    return await _workspace(info.context.principal)


async def principal_workspace(root: strawberry.Parent[Principal]) -> models.Workspace:
    return await _workspace(root)


def principal_scopes(root: strawberry.Parent[Principal]) -> list[Scope]:
    return sorted(root.scopes)


async def _workspace(principal: Principal) -> models.Workspace:
    found = await models.Workspace.get_or_none(id=principal.workspace_id)
    if found is None:
        raise NotFound("workspace", principal.workspace_id)
    return found


async def api_keys(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.ApiKey]:
    found = keys.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


async def create_key(
    info: Info, input: Annotated[CreateKeyInput, strawberry.argument(description="The key.")]
) -> CreateKeyPayload:
    row, secret = await keys.create(
        info.context.principal.workspace_id,
        input.kind,
        label=input.label,
        domains=input.domains,
        source=input.source,
        expires_days=input.expires_days,
    )
    return CreateKeyPayload(row, secret)


async def revoke_key(
    info: Info, input: Annotated[RevokeKeyInput, strawberry.argument(description="Which one.")]
) -> KeyPayload:
    id = models.parse_id(input.id)
    if id is None:
        raise NotFound("key", input.id)
    return KeyPayload(await keys.revoke(info.context.principal, id))
