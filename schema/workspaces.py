import strawberry

import models
from domain.identity import KeyKind, PrincipalKind, Scope
from resolvers import usage as resolve_usage
from resolvers import workspaces as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="Everything of one team: conversations, models, keys. Workspaces never see each other.")
class Workspace(Node):
    name: str = strawberry.field(description="Its name.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    allows_logging: bool = strawberry.field(
        description="Whether what is said to models through the gateway is kept, as conversations."
    )
    heals_json: bool = strawberry.field(
        description="Whether answers that should be JSON, and are not quite, are repaired unasked."
    )
    salt = strawberry.field(
        resolver=resolve.salt,
        description="What whoever we call has to know to be sure that it is us: each of our calls carries a bcrypt hash"
        " of it in `X-Request-Nonce`. Needs `KEYS_MANAGE`.",
    )
    balance = strawberry.field(
        resolver=resolve.balance,
        description="US dollars that your next call may cost: what is left of the smallest budget that it would be paid"
        " from. Null when there is none, and nothing limits it. Needs `USAGE_READ`.",
    )
    spent_lately = strawberry.field(
        resolver=resolve_usage.spent_lately, description="US dollars spent in the last hours. Needs `USAGE_READ`."
    )
    stored_characters = strawberry.field(
        resolver=resolve.stored_characters, description="How much text its documents have, in characters."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Workspace)


@strawberry.type(description="Who is asking.")
class Principal:
    kind: PrincipalKind = strawberry.field(description="How they came in.")
    source: str | None = strawberry.field(description="The sync source that a sync key belongs to.")
    workspace = strawberry.field(
        resolver=resolve.principal_workspace, graphql_type=Workspace, description="Where they are."
    )
    scopes = strawberry.field(
        resolver=resolve.principal_scopes, graphql_type=list[Scope], description="What they may do."
    )


@strawberry.type(description="An API key. The key itself was shown once, when it was made.")
class ApiKey(Node):
    kind: KeyKind = strawberry.field(description="What it is for.")
    label: str | None = strawberry.field(description="The name it was given.")
    preview: str = strawberry.field(description="Its beginning and its last six characters, to know it by.")
    ending = strawberry.field(resolver=resolve.ending, description="Its last six characters.")
    allowed_domains: list[str] = strawberry.field(description="Whose pages may use it.")
    source: str | None = strawberry.field(description="The sync source it belongs to.")
    requests_per_minute: int | None = strawberry.field(description="How many models it may ask in a minute.")
    tokens_per_minute: int | None = strawberry.field(
        description="How many tokens may be read and written for it in a minute."
    )
    calls_at_once: int | None = strawberry.field(description="How many of its calls may run at the same time.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    expires_at: DateTime | None = strawberry.field(description="When it ends by itself.")
    last_used_at: DateTime | None = strawberry.field(description="When it was last used, to within half a minute.")
    revoked_at: DateTime | None = strawberry.field(description="When it was revoked.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.ApiKey)


@strawberry.type(description="The new key.")
class CreateKeyPayload:
    key: ApiKey = strawberry.field(description="What is kept of it.")
    secret: str = strawberry.field(description="The key itself. It is never shown again.")


@strawberry.type(description="The key as it is now.")
class KeyPayload:
    key: ApiKey = strawberry.field(description="The key.")


@strawberry.type(description="The workspace as it is now.")
class WorkspacePayload:
    workspace: Workspace = strawberry.field(description="The workspace.")


@strawberry.type
class WorkspaceQueries:
    me = root_field(resolve.me, Principal, needs=Scope.PUBLIC, description="Who is asking, and what they may do.")
    workspace = root_field(resolve.workspace, Workspace, needs=Scope.WORKSPACE_READ, description="Where you are.")
    api_keys = root_field(
        resolve.api_keys,
        Connection[ApiKey],
        needs=Scope.KEYS_MANAGE,
        description="The keys that you may manage, newest first.",
    )


@strawberry.type
class WorkspaceMutations:
    update_workspace = root_field(
        resolve.update_workspace,
        WorkspacePayload,
        needs=Scope.WORKSPACE_WRITE,
        description="Rename the workspace, or change its settings; in every process, from the next call on.",
    )
    roll_salt = root_field(
        resolve.roll_salt,
        WorkspacePayload,
        needs=Scope.WORKSPACE_WRITE,
        description="Take another salt. Whoever knows only the old one believes none of our calls any more.",
    )
    create_key = root_field(
        resolve.create_key,
        CreateKeyPayload,
        needs=Scope.KEYS_MANAGE,
        description="Make a key, which may do no more than the one it is made with. A key with limits or a budget of"
        " its own makes none.",
    )
    update_key = root_field(
        resolve.update_key,
        KeyPayload,
        needs=Scope.KEYS_MANAGE,
        description="Change a key's name and limits; in every process, from the next call on.",
    )
    revoke_key = root_field(
        resolve.revoke_key, KeyPayload, needs=Scope.KEYS_MANAGE, description="End a key, at once and everywhere."
    )
