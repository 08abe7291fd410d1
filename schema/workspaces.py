import strawberry

import models
from domain.identity import KeyKind, PrincipalKind, Scope
from resolvers import workspaces as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="Everything of one team: conversations, models, keys. Workspaces never see each other.")
class Workspace(Node):
    name: str = strawberry.field(description="Its name.")
    created_at: DateTime = strawberry.field(description="When it was made.")

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
    preview: str = strawberry.field(description="Its beginning and end, to know it by.")
    allowed_domains: list[str] = strawberry.field(description="Whose pages may use it.")
    source: str | None = strawberry.field(description="The sync source it belongs to.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    expires_at: DateTime | None = strawberry.field(description="When it ends by itself.")
    last_used_at: DateTime | None = strawberry.field(description="When it was last used, to within a minute.")
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


@strawberry.type
class WorkspaceQueries:
    me = root_field(resolve.me, Principal, needs=Scope.PUBLIC, description="Who is asking, and what they may do.")
    workspace = root_field(resolve.workspace, Workspace, needs=Scope.WORKSPACE_READ, description="Where you are.")
    api_keys = root_field(
        resolve.api_keys, Connection[ApiKey], needs=Scope.KEYS_MANAGE, description="The workspace's keys, newest first."
    )


@strawberry.type
class WorkspaceMutations:
    create_key = root_field(resolve.create_key, CreateKeyPayload, needs=Scope.KEYS_MANAGE, description="Make a key.")
    revoke_key = root_field(
        resolve.revoke_key, KeyPayload, needs=Scope.KEYS_MANAGE, description="End a key, at once and everywhere."
    )
