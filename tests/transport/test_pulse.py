import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from transport.pulse import Pulse


@dataclass(eq=False)
class Stream:
    context: Any = "key"
    quiet: bool = True
    beats: int = 0
    revoked: asyncio.Event = field(default_factory=asyncio.Event)
    blocked: asyncio.Event = field(default_factory=asyncio.Event)

    async def beat(self) -> None:
        self.beats += 1
        await self.blocked.wait()

    async def revoke(self) -> None:
        self.revoked.set()

    async def leave(self) -> None:
        raise AssertionError


def pulse_of(still_valid: Any = lambda context: True) -> Pulse:
    return Pulse(still_valid, heartbeat_seconds=1000, recheck_seconds=1000)


async def test_only_what_is_quiet_is_kept_alive() -> None:
    pulse, loud, quiet = pulse_of(), Stream(quiet=False), Stream()
    pulse.add(loud)
    pulse.add(quiet)

    pulse.beat()
    await asyncio.sleep(0)

    assert (loud.beats, quiet.beats) == (0, 1)
    pulse.discard(loud)
    pulse.discard(quiet)


async def test_a_reader_that_stands_still_collects_no_heartbeats() -> None:
    pulse, stream = pulse_of(), Stream()
    pulse.add(stream)

    for _ in range(5):
        pulse.beat()
        await asyncio.sleep(0)

    assert stream.beats == 1
    assert len(pulse.beating) == 1
    pulse.discard(stream)
    assert pulse.beating == {}


async def test_the_timer_runs_only_while_something_is_open() -> None:
    pulse, stream = pulse_of(), Stream()
    pulse.add(stream)
    assert pulse.timer is not None

    pulse.discard(stream)

    assert pulse.timer is None


async def test_ten_thousand_streams_do_not_all_ask_at_once() -> None:
    asking, most = 0, 0

    async def still_valid(context: object) -> bool:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking -= 1
        return context != "stolen"

    pulse, streams = pulse_of(still_valid), [Stream() for _ in range(200)]
    streams[77].context = "stolen"
    for stream in streams:
        pulse.add(stream)

    pulse.recheck()
    await asyncio.wait_for(streams[77].revoked.wait(), 5)
    await asyncio.gather(*pulse.tasks)

    assert most <= 16
    assert sum(stream.revoked.is_set() for stream in streams) == 1
    for stream in streams:
        pulse.discard(stream)


async def test_what_cannot_be_asked_is_left_open(caplog: pytest.LogCaptureFixture) -> None:
    def still_valid(context: object) -> bool:
        raise ConnectionError("the database is away")

    pulse, stream = pulse_of(still_valid), Stream()
    pulse.add(stream)

    pulse.recheck()
    await asyncio.wait(set(pulse.tasks))

    assert not stream.revoked.is_set()
    assert [record.message for record in caplog.records] == ["An open stream could not be looked after"]
    pulse.discard(stream)
