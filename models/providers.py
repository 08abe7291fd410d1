from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text
from models.workspaces import Workspace

__all__ = ["Model", "ModelRoute", "ModelRouteTarget", "Provider"]


class Provider(Row):
    id = fields.UUIDField(primary_key=True, default=ids.provider_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    name = fields.CharField(max_length=64)
    wire = fields.CharField(max_length=32)
    base_url = fields.TextField()
    # Sealed, and good for the origin of this address only.
    credential = optional_text()
    # The operator's, written down anew at each start; nobody changes it through the graph.
    from_environment = fields.BooleanField(default=False)
    # One more with each change: whoever holds a connection sees that it is of yesterday.
    revision = fields.IntField(default=1)
    # How many calls it is sent at once by each process; the others wait for a moment. Null is without a limit.
    calls_at_once = fields.IntField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "providers"
        unique_together = (("workspace", "name"),)


class Model(Row):
    id = fields.UUIDField(primary_key=True, default=ids.model_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    provider: fields.ForeignKeyRelation[Provider] = fields.ForeignKeyField("models.Provider", related_name=False)
    provider_id: UUID
    name = fields.TextField()
    vendor = fields.TextField()
    context_window = fields.IntField(null=True)
    input_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    output_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    # Of what the provider remembered from an earlier call; null is the price of any other input.
    cached_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    is_default = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "models"
        unique_together = (("provider", "name"),)


# A name under which several models answer.
class ModelRoute(Row):
    id = fields.UUIDField(primary_key=True, default=ids.model_route_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    name = fields.CharField(max_length=256)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "model_routes"
        unique_together = (("workspace", "name"),)


class ModelRouteTarget(Row):
    id = fields.UUIDField(primary_key=True, default=ids.model_route_target_id)
    route: fields.ForeignKeyRelation[ModelRoute] = fields.ForeignKeyField("models.ModelRoute", related_name=False)
    route_id: UUID
    model: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField("models.Model", related_name=False)
    model_id: UUID
    # The lowest tier is asked first; within a tier the weight says how often.
    tier = fields.IntField(default=0)
    weight = fields.IntField(default=1)

    class Meta:
        table = "model_route_targets"
        unique_together = (("route", "model"),)
