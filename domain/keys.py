"""API keys: made once and shown once, found by digest, revoked at once in every process."""

import asyncio
import binascii
import hashlib
import math
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tortoise.queryset import QuerySet

import models
from domain.identity import SCOPES, UNLIMITED, KeyKind, Limits, Principal, PrincipalKind
from domain.origins import check_entry, is_allowed
from errors import Forbidden, Invalid, NotFound, Unauthenticated
from models.database import connection, transaction

__all__ = ["REVOKED", "Keys", "check_label", "check_limits", "create", "revoke", "visible_to"]

# The channel on which processes tell each other that a key is gone.
REVOKED = "palaver_keys"

# A hundred years; who wants more wants a key that does not expire.
_MOST_DAYS = 36_500
_LABEL_LENGTH = 256
# So much of a key's end is shown to know it by.
_SHOWN = 6
_HIGHEST_LIMIT = 1_000_000_000
_STRANGERS_AT_ONCE = 4
# Each is compared with every page that uses the key.
_MOST_DOMAINS = 100

_ALPHABET = string.digits + string.ascii_letters
_PREFIXES = {kind: kind.value.lower() + ("-" if kind is KeyKind.SK else "_") for kind in KeyKind}


async def create(
    workspace_id: UUID,
    kind: KeyKind,
    *,
    label: str | None = None,
    domains: Sequence[str] = (),
    source: str | None = None,
    expires_days: int | None = None,
    limits: Limits = UNLIMITED,
) -> tuple[models.ApiKey, str]:
    """The row, and the key itself: this is the only time that anybody sees it."""
    if kind in (KeyKind.PAK, KeyKind.AAK) and not domains:
        raise Invalid("domains", "must be given: a key that pages carry works only for the domains it names")
    if kind is KeyKind.SSK and not source:
        raise Invalid("source", "must be given: a sync key belongs to one source")
    if expires_days is not None and not 1 <= expires_days <= _MOST_DAYS:
        raise Invalid("expiresDays", f"must be between 1 and {_MOST_DAYS:,}")
    check_label(label)
    if len(domains) > _MOST_DOMAINS:
        raise Invalid("domains", f"must not be more than {_MOST_DOMAINS}")
    secret = _generate(kind)
    row = await models.ApiKey.create(
        workspace_id=workspace_id,
        kind=kind.value,
        label=label,
        preview=f"{_PREFIXES[kind]}…{secret[-_SHOWN:]}",
        digest=_digest(secret),
        allowed_domains=[check_entry(domain) for domain in domains],
        source=source,
        expires_at=datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None,
        **asdict(check_limits(limits)),
    )
    return row, secret


def check_label(label: str | None) -> None:
    if label is not None and len(label) > _LABEL_LENGTH:
        raise Invalid("label", f"must not be longer than {_LABEL_LENGTH} characters")


def check_limits(limits: Limits) -> Limits:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if value is not None and not 1 <= value <= _HIGHEST_LIMIT:
            words = field.name.split("_")
            name = words[0] + "".join(word.capitalize() for word in words[1:])
            raise Invalid(name, f"must be between 1 and {_HIGHEST_LIMIT:,}")
    return limits


def visible_to(principal: Principal) -> QuerySet[models.ApiKey]:
    return models.ApiKey.filter(workspace_id=principal.workspace_id)


async def revoke(principal: Principal, key_id: UUID) -> models.ApiKey:
    """Twice is as good as once."""
    row = await visible_to(principal).get_or_none(id=key_id)
    if row is None:
        raise NotFound("key", key_id)
    if row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
        # Together: a key that is revoked without a word to the others would go on opening them for a minute.
        async with transaction(), connection() as bare:
            await row.save(update_fields=["revoked_at"])
            await bare.execute("SELECT pg_notify($1, $2)", REVOKED, row.digest)
    return row


@dataclass(frozen=True, slots=True)
class _Known:
    row: models.ApiKey
    principal: Principal
    read_at: float


class Keys:
    """The keys this process has seen: looked up at most once a minute, their uses written down in batches."""

    def __init__(self, *, keep: int = 10_000, fresh_seconds: float = 60) -> None:
        self._keep, self._fresh_seconds = keep, fresh_seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()
        # Until when it is known that there is no such key: nobody can have one before it is made.
        self._unknown: OrderedDict[str, float] = OrderedDict()
        # Whoever tries out keys waits for others who do so, and not they for them.
        self._strangers = asyncio.Semaphore(_STRANGERS_AT_ONCE)
        self._digests: dict[UUID, str] = {}
        self._used: dict[UUID, datetime] = {}
        self._written: dict[UUID, float] = {}
        # Told when a key may have ended, so that what it opened can be looked at again.
        self.when_revoked: Callable[[], object] = lambda: None

    async def authenticate(self, secret: str, origin: str | None) -> Principal:
        if not _looks_real(secret):
            raise Unauthenticated("The key is not valid")
        known = await self._find(_digest(secret))
        row = known.row
        if _is_over(row):
            raise Unauthenticated("The key is not valid")
        if row.kind in (KeyKind.PAK, KeyKind.AAK) and not is_allowed(origin, row.allowed_domains):
            raise Forbidden("This key may not be used from this domain")
        self._used[row.id] = datetime.now(UTC)
        return known.principal

    async def still_opens(self, principal: Principal) -> bool:
        """For connections that outlive a request."""
        if principal.key_id is None:
            return True
        digest = self._digests.get(principal.key_id)
        try:
            row = (await self._find(digest)).row if digest else await models.ApiKey.get_or_none(id=principal.key_id)
        except Unauthenticated:
            return False
        return row is not None and not _is_over(row)

    def forget(self, digest: str) -> None:
        self._known.pop(digest, None)
        self.when_revoked()

    def forget_all(self) -> None:
        """What was missed while not listening may have been a revocation."""
        self._known.clear()
        self.when_revoked()

    async def write_uses(self, *, every_seconds: float = 0) -> None:
        """Of each key at most so often: it may be used a thousand times a second."""
        now = time.monotonic()
        due = {id: at for id, at in self._used.items() if self._written.get(id, -math.inf) + every_seconds <= now}
        if not due:
            return
        async with connection() as bare:
            await bare.execute(
                "UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)"
                " FROM unnest($1::uuid[], $2::timestamptz[]) AS used(id, at) WHERE api_keys.id = used.id",
                list(due),
                list(due.values()),
            )
        self._written = {id: at for id, at in self._written.items() if id in self._digests} | dict.fromkeys(due, now)
        self._used = {id: at for id, at in self._used.items() if due.get(id) != at}

    async def _find(self, digest: str) -> _Known:
        known = self._known.get(digest)
        if known is not None and time.monotonic() - known.read_at < self._fresh_seconds:
            self._known.move_to_end(digest)
            return known
        if known is not None:
            row = await models.ApiKey.get_or_none(digest=digest)
        else:
            row = await self._find_stranger(digest)
        if row is None:
            self._known.pop(digest, None)
            raise Unauthenticated("The key is not valid")
        kind = PrincipalKind(row.kind)
        principal = Principal(row.workspace_id, kind, SCOPES[kind], row.id, row.source, _limits_of(row))
        known = self._known[digest] = _Known(row, principal, time.monotonic())
        self._digests[row.id] = digest
        while len(self._known) > self._keep:
            _, oldest = self._known.popitem(last=False)
            self._digests.pop(oldest.row.id, None)
        return known

    async def _find_stranger(self, digest: str) -> models.ApiKey | None:
        if self._is_unknown(digest):
            return None
        async with self._strangers:
            if self._is_unknown(digest):
                return None
            row = await models.ApiKey.get_or_none(digest=digest)
        if row is None:
            self._unknown[digest] = time.monotonic() + self._fresh_seconds
            while len(self._unknown) > self._keep:
                self._unknown.popitem(last=False)
        return row

    def _is_unknown(self, digest: str) -> bool:
        return self._unknown.get(digest, 0) > time.monotonic()


def _limits_of(row: models.ApiKey) -> Limits | None:
    limits = Limits(row.requests_per_minute, row.tokens_per_minute, row.calls_at_once)
    return None if limits == UNLIMITED else limits


def _is_over(row: models.ApiKey) -> bool:
    return row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= datetime.now(UTC))


def _generate(kind: KeyKind) -> str:
    # 43 of 62 characters carry 256 bits; six more are a checksum, so that a mistyped or invented key costs no look-up.
    body = _PREFIXES[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(43))
    return body + _checksum(body)


def _looks_real(secret: str) -> bool:
    return secret.isascii() and 49 < len(secret) < 64 and secret[-6:] == _checksum(secret[:-6])


def _checksum(body: str) -> str:
    number, text = binascii.crc32(body.encode()), ""
    while len(text) < 6:
        number, digit = divmod(number, 62)
        text += _ALPHABET[digit]
    return text


def _digest(secret: str) -> str:
    # The key is 256 random bits: there is nothing to guess, so nothing to slow down.
    return hashlib.sha256(secret.encode()).hexdigest()
