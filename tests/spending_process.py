"""A process that makes calls from a budget: `python -m tests.spending_process '<what to do as JSON>'`.

It prints how many were let in and how many were refused; or, told to hang, it says that it holds something and waits
to be killed.
"""

import asyncio
import sys
from decimal import Decimal
from uuid import UUID

import orjson

from domain.identity import SCOPES, Principal, PrincipalKind
from engine.events import Usage
from errors import BudgetExceeded
from models.database import Database
from tests.paying import Till, entry_of, till


async def spend(told: dict[str, object]) -> None:
    database = Database(told["credentials"])  # type: ignore[arg-type]  # what its parent has put there
    await database.open()
    principal = Principal(UUID(str(told["workspace"])), PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])
    async with till(lease_seconds=told.get("lease_seconds", 12)) as here:
        if told.get("hangs"):
            await here.admission.admit(principal, estimate=Decimal(str(told["estimate"])))
            print("holding", flush=True)
            await asyncio.Event().wait()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        callers = [_calls(here, principal, told) for _ in range(int(str(told["callers"])))]
        let_in = sum(await asyncio.gather(*callers))
    print(let_in, flush=True)
    await database.close()


async def _calls(here: Till, principal: Principal, told: dict[str, object]) -> int:
    """One caller, who comes again until it is refused. Each call takes a moment, as calls do."""
    let_in = 0
    while True:
        try:
            permit = await here.admission.admit(principal, estimate=Decimal(str(told["estimate"])))
        except BudgetExceeded:
            return let_in
        await asyncio.sleep(0.005)
        let_in += 1
        here.ledger.record(entry_of(principal, permit, usage=Usage(1000, 1000)))


if __name__ == "__main__":
    asyncio.run(spend(orjson.loads(sys.argv[1])))
