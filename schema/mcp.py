import strawberry

from domain.identity import Scope
from resolvers import mcp as resolve
from schema.access import root_field
from schema.scalars import McpReply


@strawberry.type(description="What an MCP client is told.")
class McpPayload:
    message: McpReply | None = strawberry.field(description="The reply; null when a notification was given.")
    is_refused: bool = strawberry.field(
        description="Whether what it said is no request of a version that is spoken here; the reply says why."
    )


@strawberry.type
class McpMutations:
    serve_model = root_field(
        resolve.serve_model,
        McpPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Be an MCP server with one tool, which asks a model or a gateway. Nothing is kept between messages."
        " Leaving stops the model.",
    )
    serve_collections = root_field(
        resolve.serve_collections,
        McpPayload,
        needs=Scope.KNOWLEDGE_READ,
        description="Be an MCP server with a tool that searches collections, and where that is wanted with tools to"
        " write and delete documents, which need `KNOWLEDGE_WRITE`. Nothing is kept between messages.",
    )
