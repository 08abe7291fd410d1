from typing import Annotated

import strawberry

from domain.mcp_serving import collections, inference, protocol
from domain.mcp_serving.collections import McpAccess, McpNaming, McpReferences, ServedCollections
from domain.mcp_serving.inference import ServedModel
from domain.mcp_serving.protocol import Answer, OfferedTool
from domain.retrieval import SearchMethod
from resolvers.context import Info
from resolvers.scalars import McpMessage


@strawberry.input(description="A message of an MCP client that uses a model or a gateway as a tool.")
class ServeModelInput:
    message: McpMessage = strawberry.field(description="What it says.")
    protocol_version: str | None = strawberry.field(
        default=None, description="The version of MCP that it speaks, in every message after its first."
    )
    model: str = strawberry.field(description="A gateway by its id or slug, a model route, or a model.")
    tool_name: str | None = strawberry.field(
        default=None, description="The tool is called `invoke_` and this: `ai_model` when left out."
    )
    tool_title: str | None = strawberry.field(default=None, description="What people read as the tool's name.")
    tool_description: str | None = strawberry.field(
        default=None, description="When models are to call it, and what for."
    )
    external_user: str | None = strawberry.field(
        default=None, description="Who asks, in the words of whoever built the client."
    )


@strawberry.input(description="A message of an MCP client that uses collections as tools.")
class ServeCollectionsInput:
    message: McpMessage = strawberry.field(description="What it says.")
    protocol_version: str | None = strawberry.field(
        default=None, description="The version of MCP that it speaks, in every message after its first."
    )
    collection_ids: list[strawberry.ID] = strawberry.field(description="The collections, at most 100.")
    name: str = strawberry.field(default="collection", description="What the tools call them.")
    naming: McpNaming = strawberry.field(default=McpNaming.DEFAULT, description="How the tools are named.")
    access: McpAccess = strawberry.field(default=McpAccess.READ, description="What the tools may do.")
    top: int = strawberry.field(default=5, description="How many results at most, up to 128.")
    min_score: float = strawberry.field(default=0.4, description="The least score of a result, between 0 and 1.")
    method: SearchMethod = strawberry.field(
        default=SearchMethod.HYBRID, description="By meaning, by words, or by both, which finds most."
    )
    references: McpReferences = strawberry.field(
        default=McpReferences.EXCLUDED, description="Whether documents that share a result's reference come with it."
    )


async def serve_model(
    info: Info, input: Annotated[ServeModelInput, strawberry.argument(description="The message, and whom to ask.")]
) -> Answer:
    completions, principal = info.context.services.completions, info.context.principal
    served = ServedModel(
        input.model,
        tool_name=input.tool_name,
        title=input.tool_title,
        description=input.tool_description,
        external_user=input.external_user,
    )
    return await _answer(info, input, await inference.tools(completions, principal, served))


async def serve_collections(
    info: Info,
    input: Annotated[ServeCollectionsInput, strawberry.argument(description="The message, and where to look.")],
) -> Answer:
    retrieval, principal = info.context.services.retrieval, info.context.principal
    served = ServedCollections(
        tuple(input.collection_ids),
        name=input.name,
        naming=input.naming,
        access=input.access,
        top=input.top,
        min_score=input.min_score,
        method=input.method,
        references=input.references,
    )
    return await _answer(info, input, await collections.tools(retrieval, principal, served))


async def _answer(info: Info, input: ServeModelInput | ServeCollectionsInput, tools: list[OfferedTool]) -> Answer:
    server = protocol.Server(info.context.services.service.version, tools)
    return await protocol.answer(server, input.message, input.protocol_version)
