import strawberry

from domain import conversations
from domain.service import Service
from resolvers.context import Info


def service(info: Info) -> Service:
    return info.context.services.service


async def conversation_count(root: strawberry.Parent[Service], info: Info) -> int:
    return await conversations.visible_to(info.context.principal).count()
