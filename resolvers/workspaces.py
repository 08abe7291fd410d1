from dataclasses import dataclass
from typing import Annotated

import strawberry
from strawberry import UNSET

import models
from domain import budgets, collections, issuing
from domain.identity import KeyKind, Limits, Principal, Scope
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
        default=None, description="After how many days it ends, up to 36,500; never when left out or negative."
    )
    requests_per_minute: int | None = strawberry.field(
        default=None, description="How many models it may ask in a minute; as many as it likes when left out."
    )
    tokens_per_minute: int | None = strawberry.field(
        default=None, description="How many tokens may be read and written for it in a minute."
    )
    calls_at_once: int | None = strawberry.field(
        default=None, description="How many of its calls may run at the same time."
    )


@strawberry.input(description="What to change of a key. What is left out stays; null takes a limit away.")
class UpdateKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id, not the key itself.")
    label: str | None = strawberry.field(default=UNSET, description="A name to know it by, up to 256 characters.")
    requests_per_minute: int | None = strawberry.field(
        default=UNSET, description="How many models it may ask in a minute."
    )
    tokens_per_minute: int | None = strawberry.field(
        default=UNSET, description="How many tokens may be read and written for it in a minute."
    )
    calls_at_once: int | None = strawberry.field(
        default=UNSET, description="How many of its calls may run at the same time."
    )


@strawberry.input(description="A key to end.")
class RevokeKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id, not the key itself.")


@strawberry.input(description="What to change of the workspace. What is left out stays.")
class UpdateWorkspaceInput:
    name: str | None = strawberry.field(default=None, description="Its name, up to 256 characters.")
    allows_logging: bool | None = strawberry.field(
        default=None, description="Whether what is said to models through the gateway is kept."
    )
    heals_json: bool | None = strawberry.field(
        default=None, description="Whether answers that should be JSON, and are not quite, are repaired unasked."
    )


@strawberry.input(description="A salt to be replaced.")
class RollSaltInput:
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose it is; where you are when left out."
    )


@dataclass(frozen=True, slots=True)
class WorkspacePayload:
    workspace: models.Workspace


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
    info: Info,
    kinds: Annotated[
        list[KeyKind] | None, strawberry.argument(description="Only those of these kinds; all when left out.")
    ] = None,
    revoked: Annotated[
        bool | None, strawberry.argument(description="Only those that are revoked, or only those that are not.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> Page[models.ApiKey]:
    found = issuing.manageable_by(info.context.principal)
    if kinds is not None:
        found = found.filter(kind__in=[kind.value for kind in kinds])
    if revoked is not None:
        found = found.filter(revoked_at__isnull=not revoked)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


def ending(root: strawberry.Parent[models.ApiKey]) -> str:
    return root.preview.rpartition("…")[2]


async def create_key(
    info: Info, input: Annotated[CreateKeyInput, strawberry.argument(description="The key.")]
) -> CreateKeyPayload:
    row, secret = await info.context.services.issuing.issue(
        info.context.principal,
        input.kind,
        label=input.label,
        domains=input.domains,
        source=input.source,
        expires_days=input.expires_days,
        limits=Limits(input.requests_per_minute, input.tokens_per_minute, input.calls_at_once),
    )
    return CreateKeyPayload(row, secret)


async def update_key(
    info: Info, input: Annotated[UpdateKeyInput, strawberry.argument(description="What to change.")]
) -> KeyPayload:
    names = ("label", "requests_per_minute", "tokens_per_minute", "calls_at_once")
    changes = {name: value for name in names if (value := getattr(input, name)) is not UNSET}
    return KeyPayload(await info.context.services.issuing.change(info.context.principal, input.id, changes))


async def revoke_key(
    info: Info, input: Annotated[RevokeKeyInput, strawberry.argument(description="Which one.")]
) -> KeyPayload:
    return KeyPayload(await info.context.services.issuing.withdraw(info.context.principal, input.id))


# ---------------------------------------------------------------- settings


async def update_workspace(
    info: Info, input: Annotated[UpdateWorkspaceInput, strawberry.argument(description="What to change.")]
) -> WorkspacePayload:
    names = ("name", "allows_logging", "heals_json")
    changes = {name: value for name in names if (value := getattr(input, name)) is not None}
    return WorkspacePayload(await info.context.services.accounts.update(info.context.principal, changes))


async def roll_salt(
    info: Info, input: Annotated[RollSaltInput, strawberry.argument(description="Whose.")]
) -> WorkspacePayload:
    if input.workspace_id is not None and models.parse_id(input.workspace_id) != info.context.principal.workspace_id:
        raise NotFound("workspace", input.workspace_id)
    return WorkspacePayload(await info.context.services.accounts.roll_salt(info.context.principal))


async def salt(root: strawberry.Parent[models.Workspace], info: Info) -> str:
    info.context.principal.require(Scope.KEYS_MANAGE)
    return await info.context.services.accounts.salt_of(root.id)


async def balance(info: Info) -> float | None:
    info.context.principal.require(Scope.USAGE_READ)
    left = await budgets.balance(info.context.principal)
    return None if left is None else float(left)


async def stored_characters(root: strawberry.Parent[models.Workspace]) -> float:
    return await collections.stored_characters(root.id)
