"""What the names, tags and metadata of collections and documents may be."""

from collections.abc import Sequence
from typing import Any  # Document metadata is open JSON.

from errors import Invalid

__all__ = ["check_metadata", "check_name", "check_reference", "check_tags", "clean"]

_REFERENCE_CHARACTERS = 64
_NAME_CHARACTERS = 256


def check_name(name: str | None) -> str:
    name = clean(name or "").strip()
    if not name:
        raise Invalid("name", "must not be empty")
    if len(name) > _NAME_CHARACTERS:
        raise Invalid("name", f"must not be longer than {_NAME_CHARACTERS} characters")
    return name


def check_reference(reference: str | None) -> str | None:
    if reference is not None and len(reference) > _REFERENCE_CHARACTERS:
        raise Invalid("reference", f"must not be longer than {_REFERENCE_CHARACTERS} characters")
    return reference or None


def check_metadata(metadata: Any) -> dict[str, Any]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise Invalid("metadata", "must be a JSON object")
    return metadata


def check_tags(tags: Sequence[str] | None) -> list[str]:
    """A tag with commas in it is taken for several: some clients write them all as one text."""
    found = (clean(tag).strip() for each in tags or () for tag in each.split(","))
    return list(dict.fromkeys(tag for tag in found if tag))


def clean(text: str) -> str:
    """Postgres keeps any character but this one."""
    return text.replace("\0", "") if "\0" in text else text
