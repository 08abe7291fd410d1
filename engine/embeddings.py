"""Turning text into vectors, whoever does it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Embedder", "Purpose", "Vectors"]

# One row for each text: unit length, float32, contiguous. The row of a text without a single known token is all zero.
Vectors = NDArray[np.float32]


class Purpose(StrEnum):
    """Some models lay a question beside its answers only when they are told which of the two they are given."""

    DOCUMENT = "document"
    QUERY = "query"


class Embedder(Protocol):
    # Says which space the vectors lie in: vectors of equal names can be compared, others never.
    name: str
    # Who is asked, and for what.
    provider: str
    model: str

    async def dimension(self) -> int:
        """How many numbers a vector has. A vendor may have to be asked once, and may be away."""
        ...

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        """One row for each text, in order. Batches and retries inside; failures are `ProviderFailed`."""
        ...

    async def close(self) -> None: ...
