import asyncio

import aiohttp
import pytest

from tests.upstream import Cut, Gate, Reply, Upstream, upstream_process

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def test_streams_what_it_was_told() -> None:
    async with Upstream() as upstream, aiohttp.ClientSession(upstream.base_url + "/") as client:
        upstream.will(Reply("Hel", "lo"))

        async with client.post("chat/completions", json={**ASK, "stream": True}) as response:
            body = await response.text()

        assert '"content":"Hel"' in body
        assert body.endswith("data: [DONE]\n\n")
        assert (await upstream.arrived()).json["model"] == "m"


@pytest.mark.parametrize("stream", [True, False])
async def test_notices_at_once_that_the_client_has_gone(stream: bool) -> None:
    async with Upstream() as upstream, aiohttp.ClientSession(upstream.base_url + "/") as client:
        upstream.will(Reply("Hel", gate := Gate(), "lo"))
        asking = asyncio.ensure_future(client.post("chat/completions", json={**ASK, "stream": stream}))
        call = await upstream.arrived()
        await gate.reached.wait()

        if stream:
            (await asking).close()
        else:
            asking.cancel()

        await asyncio.wait_for(call.left.wait(), 1)
        assert upstream.seen == {"started": 1, "finished": 0, "left": 1}


async def test_cuts_the_connection() -> None:
    async with Upstream() as upstream, aiohttp.ClientSession(upstream.base_url + "/") as client:
        upstream.will(Reply("Hel", Cut()))

        async with client.post("chat/completions", json={**ASK, "stream": True}) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_runs_as_a_process_of_its_own() -> None:
    async with upstream_process(text=" word", count=3) as base_url, aiohttp.ClientSession(base_url + "/") as client:
        async with client.post("chat/completions", json=ASK) as response:
            answer = await response.json()
        async with client.get("/_seen") as response:
            seen = await response.json()

        assert answer["choices"][0]["message"]["content"] == " word word word"
        assert seen == {"started": 1, "finished": 1, "left": 0}
