import strawberry

from domain.identity import Scope
from resolvers import published as resolve
from schema.access import root_field
from schema.scalars import File


@strawberry.type
class PublishedQueries:
    published_file = root_field(
        resolve.published_file,
        File,
        needs=Scope.PUBLIC,
        description="A document, page or picture that a model made. Whoever has its link may see it, for thirty days.",
    )
