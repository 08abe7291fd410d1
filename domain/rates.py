"""How much a key may do in a minute and at once, counted over all processes.

Each process counts what it lets in, by slots of five seconds, and with every flush writes its own counts of the last
minute into its own row and reads the others'. So a count is exact within a process, and a fraction of a second old
between processes: calls that arrive together at several of them may pass a limit by what each lets in meanwhile.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg
import orjson

from domain.identity import Limits
from errors import LimitReached
from models.database import connection

__all__ = ["Rates", "Visit"]

_SLOT_SECONDS = 5
# With the one that is not over yet: never more than the limit in any sixty seconds.
_SLOTS = 13
# What others did is read anew when it is older than this.
_FRESH_SECONDS = 0.5
# Calls of a process that was not heard of for this long do not run any more.
_SILENT_SECONDS = 10

_EXCHANGE = """
WITH ours AS (
    INSERT INTO key_activity (api_key_id, owner, slot, requests, tokens, running, seen_at)
    SELECT id, $2, slot, requests::jsonb, tokens::jsonb, running, now()
    FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::int[])
         AS new (id, slot, requests, tokens, running)
    ORDER BY id
    ON CONFLICT (api_key_id, owner) DO UPDATE
    SET slot = excluded.slot, requests = excluded.requests, tokens = excluded.tokens, running = excluded.running,
        seen_at = excluded.seen_at
)
SELECT api_key_id, slot, requests::text, tokens::text,
       CASE WHEN seen_at > now() - make_interval(secs => $8) THEN running ELSE 0 END AS running
FROM key_activity WHERE api_key_id = ANY($1::uuid[]) AND owner <> $2 AND seen_at > now() - make_interval(secs => $9)
"""


class Visit:
    """One call of a key with limits, from the moment it is let in until it ends."""

    __slots__ = ("_meter", "_slot", "_tokens")

    def __init__(self, meter: "_Meter", slot: int, tokens: int) -> None:
        self._meter, self._slot, self._tokens = meter, slot, tokens

    def end(self, tokens: int | None = None) -> None:
        """`tokens` is how many there were in fact."""
        self._meter.leave(self._slot, 0 if tokens is None else tokens - self._tokens)


class _Meter:
    """What one key did: by slot, how many requests and tokens."""

    __slots__ = ("_changed", "key_id", "others", "others_running", "ours", "read_at", "running")

    def __init__(self, key_id: UUID, changed: set["_Meter"]) -> None:
        self.key_id, self._changed = key_id, changed
        self.ours: dict[int, list[int]] = {}
        self.others: dict[int, list[int]] = {}
        self.running = self.others_running = 0
        self.read_at = -math.inf

    def enter(self, limits: Limits, tokens: int, now: float) -> Visit:
        slot = int(now) // _SLOT_SECONDS
        self.forget(slot)
        if limits.calls_at_once is not None and self.running + self.others_running >= limits.calls_at_once:
            raise LimitReached(f"The limit of {limits.calls_at_once:,} calls at once", retry_after_seconds=1)
        if limits.requests_per_minute is not None:
            self._check(0, limits.requests_per_minute, 1, "requests", now)
        if limits.tokens_per_minute is not None:
            self._check(1, limits.tokens_per_minute, tokens, "tokens", now)
        counted = self.ours.setdefault(slot, [0, 0])
        counted[0] += 1
        counted[1] += tokens
        self.running += 1
        self._changed.add(self)
        return Visit(self, slot, tokens)

    def leave(self, slot: int, more_tokens: int) -> None:
        self.running -= 1
        if (counted := self.ours.get(slot)) is not None:
            counted[1] += more_tokens
        self._changed.add(self)

    def forget(self, slot: int) -> None:
        for counts in (self.ours, self.others):
            for old in [each for each in counts if each <= slot - _SLOTS]:
                del counts[old]

    def _check(self, what: int, limit: int, more: int, called: str, now: float) -> None:
        by_slot: dict[int, int] = {}
        for counts in (self.ours, self.others):
            for slot, counted in counts.items():
                by_slot[slot] = by_slot.get(slot, 0) + counted[what]
        used = sum(by_slot.values())
        # What is more than a minute's allowance by itself may come when nothing else did.
        if used + more <= limit or (not used and limit):
            return
        wait = _SLOTS * _SLOT_SECONDS
        for slot in sorted(by_slot):
            used -= by_slot[slot]
            if used + more <= limit or not used:
                wait = math.ceil((slot + _SLOTS) * _SLOT_SECONDS - now)
                break
        raise LimitReached(f"The limit of {limit:,} {called} a minute", retry_after_seconds=max(1, wait))


class Rates:
    """Of the keys that have limits; of the others nothing is counted."""

    def __init__(self, owner: UUID, *, keep: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._owner, self._keep, self._clock = owner, keep, clock
        self._meters: OrderedDict[UUID, _Meter] = OrderedDict()
        # Those that the others have not heard of yet.
        self._changed: set[_Meter] = set()
        self.when_changed: Callable[[], object] = lambda: None

    async def enter(self, key_id: UUID, limits: Limits, tokens: int) -> Visit:
        meter = self._meters.get(key_id)
        if meter is None:
            meter = self._meters[key_id] = _Meter(key_id, self._changed)
            self._forget_quiet()
        else:
            self._meters.move_to_end(key_id)
        now = self._clock()
        if now - meter.read_at > _FRESH_SECONDS:
            meter.read_at = now
            await self._exchange([meter], [])
        visit = meter.enter(limits, tokens, now)
        self.when_changed()
        return visit

    def beat(self) -> None:
        """Calls that run for long are still running."""
        self._changed.update(meter for meter in self._meters.values() if meter.running)

    async def exchange(self) -> None:
        """Tell what this process did, and hear what the others did. One at a time, or the older might be the last."""
        if telling := list(self._changed):
            self._changed.clear()
            try:
                await self._exchange(telling, telling)
            except BaseException:
                self._changed.update(telling)
                raise

    async def _exchange(self, meters: Sequence[_Meter], telling: Sequence[_Meter]) -> None:
        now = self._clock()
        slot = int(now) // _SLOT_SECONDS
        async with connection() as bare:
            rows = await bare.fetch(
                _EXCHANGE,
                [meter.key_id for meter in meters],
                self._owner,
                [meter.key_id for meter in telling],
                [slot] * len(telling),
                [_as_list(meter, slot, 0) for meter in telling],
                [_as_list(meter, slot, 1) for meter in telling],
                [meter.running for meter in telling],
                _SILENT_SECONDS,
                _SLOTS * _SLOT_SECONDS,
            )
        by_key: dict[UUID, list[asyncpg.Record]] = {}
        for row in rows:
            by_key.setdefault(row["api_key_id"], []).append(row)
        for meter in meters:
            _hear(meter, by_key.get(meter.key_id, []))
            meter.read_at = now

    async def forget_old(self) -> None:
        async with connection() as bare:
            await bare.execute(
                "DELETE FROM key_activity WHERE seen_at < now() - make_interval(secs => $1)",
                2 * _SLOTS * _SLOT_SECONDS,
            )

    async def close(self) -> None:
        async with connection() as bare:
            await bare.execute("UPDATE key_activity SET running = 0 WHERE owner = $1 AND running > 0", self._owner)

    def _forget_quiet(self) -> None:
        """The longest unused go first, but never one whose calls still run."""
        surplus = len(self._meters) - self._keep
        for meter in list(self._meters.values())[: max(0, surplus)]:
            if not meter.running and meter not in self._changed:
                del self._meters[meter.key_id]


def _as_list(meter: _Meter, slot: int, what: int) -> str:
    """Of this slot and those before it."""
    return orjson.dumps([meter.ours.get(slot - back, (0, 0))[what] for back in range(_SLOTS)]).decode()


def _hear(meter: _Meter, rows: Sequence[asyncpg.Record]) -> None:
    meter.others, meter.others_running = {}, 0
    for row in rows:
        meter.others_running += row["running"]
        pairs = zip(orjson.loads(row["requests"]), orjson.loads(row["tokens"]), strict=True)
        for back, (requests, tokens) in enumerate(pairs):
            counted = meter.others.setdefault(row["slot"] - back, [0, 0])
            counted[0] += requests
            counted[1] += tokens
