import strawberry

import models
from domain.gateways.parameters import Parameters
from domain.identity import Scope
from resolvers import gateways as resolve
from resolvers.parameters import RECORDS
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="How a model answers under one name: what it is told, what it may look up and do.")
class Gateway(Node):
    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(
        description="A name for requests, which can be given as their `model`: made of the name and the end of the id."
    )
    created_at: DateTime = strawberry.field(description="When it was made.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")
    parameters = strawberry.field(
        resolver=resolve.parameters,
        graphql_type=RECORDS.output(Parameters),
        description="How it answers. What is secret in it is shown as `********`.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Gateway)


@strawberry.type(description="The gateway as it is now.")
class GatewayPayload:
    gateway: Gateway = strawberry.field(description="The gateway.")


@strawberry.type(description="What is no longer there.")
class DeleteGatewayPayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type
class GatewayQueries:
    gateway = root_field(resolve.gateway, Gateway, needs=Scope.GATEWAYS_READ, description="One gateway.")
    gateways = root_field(
        resolve.gateways,
        Connection[Gateway],
        needs=Scope.GATEWAYS_READ,
        description="The workspace's gateways, newest first.",
    )


@strawberry.type
class GatewayMutations:
    create_gateway = root_field(
        resolve.create_gateway, GatewayPayload, needs=Scope.GATEWAYS_WRITE, description="Make a gateway, up to 1,000."
    )
    update_gateway = root_field(
        resolve.update_gateway,
        GatewayPayload,
        needs=Scope.GATEWAYS_WRITE,
        description="Change a gateway; for whoever asks it, from now on.",
    )
    delete_gateway = root_field(
        resolve.delete_gateway,
        DeleteGatewayPayload,
        needs=Scope.GATEWAYS_WRITE,
        description="Delete a gateway. Collections, skills and memories stay.",
    )
