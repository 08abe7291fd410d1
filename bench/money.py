"""What it takes to let a call in and to write it down, and how long reports take over many calls.

    python -m bench.money --calls 20000 --records 2000000

The first table is per call: in the way of the answer, then behind it, with and without what was said. The second is in
milliseconds, the best of four, beside one sum over all records.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import models
from domain import usage, usage_reports
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.ledger import Spoken, Utterance
from domain.usage import TimeRange
from domain.usage_reports import UsageGrouping
from models.database import Database, connection, migrate
from tests.conftest import credentials, postgres_execute
from tests.paying import Till, entry_of, till
from tests.postgres import running_postgres

_ESTIMATE = Decimal("0.004")
# As many as are written in one go.
_BATCH = 150
# Eight models, twenty keys, fifteen gateways and five thousand users in ninety days.
_RECORDS = """
INSERT INTO usage_records (id, workspace_id, turn_id, api_key_id, gateway_id, external_user, provider_name, model_name,
                           vendor, action, input_tokens, output_tokens, cached_tokens, estimated, cost, items, success,
                           created_at)
SELECT gen_random_uuid(), $1, gen_random_uuid(), ('00000000-0000-7002-8000-' || lpad((i % 20)::text, 12, '0'))::uuid,
       CASE WHEN i % 3 = 0 THEN ('00000000-0000-7020-8000-' || lpad((i % 15)::text, 12, '0'))::uuid END,
       'user' || (i::bigint * 7919 % 5000), 'p', 'model' || (i % 8), 'vendor', 'completion', i % 3000, i % 900, 0,
       false, (i % 1000) / 100000.0, '[]', i % 50 > 0, now() - i * (interval '90 days' / $2)
FROM generate_series(1, $2) i
"""
_SUMS = (
    "count(*), count(*) FILTER (WHERE success), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost)"
)
_DAYS = {
    "usage_days": "model_name, vendor, api_key_id, gateway_id",
    "usage_user_days": "external_user",
}


async def main(calls: int, records: int) -> None:
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(running_postgres({}))
        await postgres_execute(address, "CREATE DATABASE bench")
        await migrate(credentials(address, "bench"))
        database = Database(credentials(address, "bench"))
        await database.open()
        stack.push_async_callback(database.close)
        principal = await _principal()
        # As the server does before it serves.
        gc.collect()
        gc.freeze()
        async with till(flush_seconds=3600) as here:
            for name, spoken in (("without what was said", None), ("with it", _spoken())):
                await _pay(here, principal, name, spoken, calls)
        await _fill(principal, records)
        await _report(principal)


async def _principal() -> Principal:
    workspace = await models.Workspace.create(name="bench")
    key = await models.ApiKey.create(workspace_id=workspace.id, kind="SK", preview="", digest="")
    await models.Budget.create(workspace_id=workspace.id, amount=1_000_000)
    await models.Budget.create(workspace_id=workspace.id, api_key_id=key.id, amount=1_000_000)
    return Principal(workspace.id, PrincipalKind.SK, SCOPES[PrincipalKind.SK], key.id)


def _spoken() -> Spoken:
    def said(role: str, text: str) -> Utterance:
        return Utterance(role, [{"type": "text", "text": text}])

    return Spoken([said("user", "How are you today? " * 10)], said("assistant", "Well, thank you. " * 20))


async def _pay(here: Till, principal: Principal, name: str, spoken: Spoken | None, calls: int) -> None:
    inline = behind = wall = 0.0
    for _ in range(max(calls // _BATCH, 2)):
        began = time.process_time()
        for _ in range(_BATCH):
            permit = await here.admission.admit(principal, estimate=_ESTIMATE, tokens=2000)
            here.ledger.record(entry_of(principal, permit, spoken=spoken))
        recorded, clock = time.process_time(), time.perf_counter()
        await here.ledger.flush()
        inline += recorded - began
        behind += time.process_time() - recorded
        wall += time.perf_counter() - clock
    each = 1e6 / (max(calls // _BATCH, 2) * _BATCH)
    print(
        f"{name:24} in the way {inline * each:4.1f} µs, behind it {behind * each:4.1f} µs of CPU, {wall * each:5.1f} µs"
    )


async def _fill(principal: Principal, records: int) -> None:
    async with connection() as bare:
        await bare.execute("TRUNCATE usage_records, usage_days, usage_user_days")
        await bare.execute(_RECORDS, principal.workspace_id, records, timeout=3600)
        for table, columns in _DAYS.items():
            await bare.execute(
                f"INSERT INTO {table} (workspace_id, day, {columns}, requests, successes, input_tokens, output_tokens,"
                f" cached_tokens, cost) SELECT workspace_id, (created_at AT TIME ZONE 'UTC')::date AS day, {columns},"
                f" {_SUMS} FROM usage_records GROUP BY workspace_id, day, {columns}",
                timeout=3600,
            )
        await bare.execute("ANALYZE", timeout=3600)


async def _report(principal: Principal) -> None:
    now = datetime.now(UTC)
    ranges = {
        "all of it": TimeRange(),
        "thirty days": TimeRange(now - timedelta(days=30)),
        "a day": TimeRange(now - timedelta(hours=24)),
        "ten days back then": TimeRange(now - timedelta(days=50, hours=5), now - timedelta(days=40, hours=3)),
    }
    for name, range in ranges.items():
        times = {"statistics": await _best(partial(usage.statistics, principal, range, None))}
        for group_by in UsageGrouping:
            times[group_by.lower()] = await _best(partial(usage_reports.report, principal, range, group_by, 100))
        print(f"{name:20}", ", ".join(f"{what} {took:.1f}" for what, took in times.items()))
    print(f"{'the last ten calls':20} {await _best(partial(usage.recent, principal, TimeRange(), None, 10)):.1f}")
    print(f"{'one sum over all':20} {await _best(_sum):.1f}")


async def _sum() -> None:
    async with connection() as bare:
        await bare.fetch("SELECT model_name, count(*), sum(cost) FROM usage_records GROUP BY model_name")


async def _best(ask: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(4):
        began = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--records", type=int, default=2_000_000)
    told = parser.parse_args()
    asyncio.run(main(told.calls, told.records))
