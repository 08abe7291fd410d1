"""What was read lately and is asked for all the time: bounded in number, size and age, forgotten when it changes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

__all__ = ["Known", "Recent"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    value: T
    size: int
    read_at: float


class Recent(Generic[T]):
    """Values by workspace and name; that there is none can be such a value.

    Whoever reads one looks at `changes` before, so that none is kept that was changed meanwhile.
    """

    def __init__(
        self,
        *,
        keep: int = 1_000,
        keep_bytes: int = 32 * 1024 * 1024,
        fresh_seconds: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep, self._keep_bytes, self._fresh_seconds, self._clock = keep, keep_bytes, fresh_seconds, clock
        self._entries: OrderedDict[tuple[UUID, Hashable], Known[T]] = OrderedDict()
        self._bytes = 0
        self.changes = 0

    def get(self, workspace_id: UUID, name: Hashable) -> Known[T] | None:
        key = (workspace_id, name)
        known = self._entries.get(key)
        if known is None or self._clock() - known.read_at >= self._fresh_seconds:
            return None
        self._entries.move_to_end(key)
        return known

    def put(self, workspace_id: UUID, name: Hashable, value: T, *, size: int, since: int) -> None:
        if since != self.changes or size > self._keep_bytes:
            return
        self._drop((workspace_id, name))
        self._entries[workspace_id, name] = Known(value, size, self._clock())
        self._bytes += size
        while len(self._entries) > self._keep or self._bytes > self._keep_bytes:
            self._drop(next(iter(self._entries)))

    def forget(self, workspace_id: UUID) -> None:
        self.changes += 1
        for key in [key for key in self._entries if key[0] == workspace_id]:
            self._drop(key)

    def forget_all(self) -> None:
        self.changes += 1
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: tuple[UUID, Hashable]) -> None:
        known = self._entries.pop(key, None)
        if known is not None:
            self._bytes -= known.size
