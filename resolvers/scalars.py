"""The names under which resolvers speak of scalars; `schema.scalars` says how they are read and written."""

from datetime import datetime
from typing import TYPE_CHECKING, NewType

__all__ = ["JSON", "DateTime", "File"]

if TYPE_CHECKING:
    # To the reader and the type checker it is what it holds.
    DateTime = datetime
else:
    DateTime = NewType("DateTime", datetime)

JSON = NewType("JSON", object)
File = NewType("File", object)
