from typing import cast

from tortoise import fields

__all__ = ["optional_text"]


def optional_text() -> fields.Field[str | None]:
    """Tortoise's text field forgets `null=True` when it is asked for its type."""
    return cast(fields.Field[str | None], fields.TextField(null=True))
