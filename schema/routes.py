import strawberry

import models
from domain.identity import Scope
from resolvers import routes as resolve
from schema.access import root_field
from schema.catalog import Model
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="A model that answers under a route's name.")
class ModelRouteTarget:
    model = strawberry.field(resolver=resolve.model, graphql_type=Model | None, description="The model.")
    tier: int = strawberry.field(description="The lowest tier is asked first, the next when none of it can answer.")
    weight: int = strawberry.field(description="How often it is the first of its tier, in proportion to the others.")


@strawberry.type(
    description="A name under which several models answer. When one fails, is too busy or failed often just now, the"
    " next is asked, as long as nothing of the answer has been shown."
)
class ModelRoute(Node):
    name: str = strawberry.field(description="What is asked for, where a model can be named.")
    targets = strawberry.field(
        resolver=resolve.targets, graphql_type=list[ModelRouteTarget], description="Who answers, by tier."
    )
    created_at: DateTime = strawberry.field(description="When it was made.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.ModelRoute)


@strawberry.type(description="The route as it is now.")
class ModelRoutePayload:
    model_route: ModelRoute = strawberry.field(description="The route.")


@strawberry.type(description="What is no longer there.")
class DeleteModelRoutePayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type
class ModelRouteQueries:
    model_routes = root_field(
        resolve.model_routes,
        Connection[ModelRoute],
        needs=Scope.MODELS_READ,
        description="The routes of this workspace, newest first.",
    )


@strawberry.type
class ModelRouteMutations:
    create_model_route = root_field(
        resolve.create_model_route,
        ModelRoutePayload,
        needs=Scope.MODELS_WRITE,
        description="Let several models answer under one name.",
    )
    update_model_route = root_field(
        resolve.update_model_route, ModelRoutePayload, needs=Scope.MODELS_WRITE, description="Change a route."
    )
    delete_model_route = root_field(
        resolve.delete_model_route,
        DeleteModelRoutePayload,
        needs=Scope.MODELS_WRITE,
        description="Delete a route. Its models stay.",
    )
