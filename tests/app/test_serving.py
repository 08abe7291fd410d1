"""The server as an operator runs it: a process of its own, killed, interrupted and started again."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # JSON answers are open.

import asyncpg
import httpx
import orjson
import psutil
import pytest

from app.postgres import EmbeddedPostgres
from tests.upstream import Gate, Reply, Upstream

ROOT = Path(__file__).parent.parent.parent
PALAVER = [sys.executable, "-m", "app.cli"]
FOLLOW = """subscription($id: ID!) { turn(id: $id) {
  __typename sequence ... on TextAdded { text } ... on TurnFailed { turn { status error { code } } } } }"""


@dataclass
class Process:
    process: asyncio.subprocess.Process
    url: str
    said: list[str] = field(default_factory=list)

    @property
    def family(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]


@pytest.fixture
def environment(tmp_path: Path, upstream: Upstream) -> dict[str, str]:
    return os.environ | {
        "PALAVER_DATA_DIR": str(tmp_path / "data"),
        "PALAVER_PORT": "0",
        "PALAVER_MODEL_BASE_URL": upstream.base_url,
        "PALAVER_MODEL": "test-model",
        "PALAVER_LEASE_SECONDS": "2",
    }


@asynccontextmanager
async def served(environment: dict[str, str], *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *PALAVER, "serve", *arguments, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    found = Process(process, "")
    try:
        async with asyncio.timeout(60):
            while not found.url:
                line = (await process.stdout.readline()).decode()
                assert line, "\n".join(found.said)
                found.said.append(line)
                if match := re.search(r"GraphQL\s+(http://\S+)/graphql$", line.strip()):
                    found.url = match[1]
            async with httpx.AsyncClient() as client:
                while not await answers(client, found.url):
                    pass
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def gone(family: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, seconds)
    return alive


async def started_turn(client: httpx.AsyncClient, url: str) -> str:
    answer = await graphql(client, url, 'mutation { startTurn(input: {text: "Hi"}) { turn { id } } }')
    id: str = answer["startTurn"]["turn"]["id"]
    return id


async def graphql(client: httpx.AsyncClient, url: str, query: str, **variables: Any) -> Any:
    response = await client.post(f"{url}/graphql", json={"query": query, "variables": variables})
    answer = response.json()
    assert "errors" not in answer, answer
    return answer["data"]


async def followed(client: httpx.AsyncClient, url: str, id: str) -> list[dict[str, Any]]:
    body = {"query": FOLLOW, "variables": {"id": id}}
    async with client.stream("POST", f"{url}/graphql", json=body, headers={"accept": "text/event-stream"}) as response:
        return [
            orjson.loads(line.removeprefix("data: "))["data"]["turn"]
            async for line in response.aiter_lines()
            if line.startswith("data: {")
        ]


async def test_a_killed_server_loses_no_saved_word_and_bills_once(
    environment: dict[str, str], upstream: Upstream
) -> None:
    gate = Gate()
    upstream.will(Reply("Once ", "upon ", gate, "a time"))
    async with httpx.AsyncClient(timeout=30) as client:
        async with served(environment) as first:
            id = await started_turn(client, first.url)
            await gate.reached.wait()
            while not await saved(environment, id):
                pass
            family = first.family
            first.process.kill()
            await first.process.wait()
        assert await gone(family, 10) == []

        async with served(environment) as second:
            events = await followed(client, second.url, id)
            query = "{ usageStatistics { totalRequests recent { success } } }"
            usage = (await graphql(client, second.url, query))["usageStatistics"]

    assert [event.get("text", "") for event in events] == ["", "Once ", "upon ", ""]
    assert events[-1]["turn"] == {"status": "INTERRUPTED", "error": {"code": "interrupted"}}
    assert usage == {"totalRequests": 1, "recent": [{"success": False}]}


async def saved(environment: dict[str, str], turn_id: str) -> bool:
    """Whether the words so far are in the database, asked of the database itself."""
    postgres = EmbeddedPostgres(Path(environment["PALAVER_DATA_DIR"]) / "postgres")
    address = await postgres.join(lambda line: None)
    bare = await asyncpg.connect(address.dsn())
    try:
        return bool(
            await bare.fetchval("SELECT true FROM turn_events WHERE turn_id = $1 AND last_sequence >= 3", turn_id)
        )
    finally:
        await bare.close()
        await postgres.stop()


async def test_ctrl_c_ends_everything_in_five_seconds(environment: dict[str, str], upstream: Upstream) -> None:
    """Also while an answer is being streamed: its reader learns that it ends here, and the words are kept."""
    gate = Gate()
    upstream.will(Reply("Half", gate))
    async with served(environment) as server, httpx.AsyncClient(timeout=30) as client:
        family = server.family
        async with client.stream("POST", f"{server.url}/ai/chat/stream", json={"message": "Hi"}) as response:
            lines = response.aiter_lines()
            async for line in lines:
                if "Half" in line:
                    break
            server.process.send_signal(signal.SIGINT)
            rest = [line async for line in lines]
        await asyncio.wait_for(server.process.wait(), 5)

        assert await gone(family, 1) == []
        assert server.process.returncode == 0
        assert "event: error" in rest


async def test_two_servers_on_two_directories(environment: dict[str, str], tmp_path: Path) -> None:
    other = environment | {"PALAVER_DATA_DIR": str(tmp_path / ("long " * 30) / "data")}
    async with served(environment) as one, served(other) as two, httpx.AsyncClient() as client:
        await client.post(f"{one.url}/ai/chat", json={"message": "Hi"})

        healths = [(await client.get(f"{server.url}/ai/health")).json() for server in (one, two)]

    assert [health["total_conversations"] for health in healths] == [1, 0]


async def test_several_processes_serve_one_database(environment: dict[str, str], upstream: Upstream) -> None:
    """A turn that runs in one of them is followed and cancelled through whichever answers."""
    gate = Gate()
    upstream.will(Reply("Half", gate))
    async with served(environment, "--workers", "2") as server, httpx.AsyncClient(timeout=30) as client:
        id = await started_turn(client, server.url)
        await gate.reached.wait()
        # A connection each: the kernel deals them out.
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(followed_alone(server.url, id)) for _ in range(6)]
            canceller = group.create_task(cancelled_alone(server.url, id))
        family = server.family
        server.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.process.wait(), 6)

        assert canceller.result() == "CANCELLED"
        assert {str(reader.result()) for reader in readers} == {str(readers[0].result())}
        assert await gone(family, 1) == []


async def followed_alone(url: str, id: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(timeout=30) as client:
        return await followed(client, url, id)


async def cancelled_alone(url: str, id: str) -> str:
    async with httpx.AsyncClient(timeout=30) as client:
        query = "mutation($id: ID!) { cancelTurn(input: {id: $id}) { turn { status } } }"
        status: str = (await graphql(client, url, query, id=id))["cancelTurn"]["turn"]["status"]
        return status


async def test_keys_are_made_while_it_serves(environment: dict[str, str]) -> None:
    environment |= {"PALAVER_ENV": "production"}
    async with served(environment) as server, httpx.AsyncClient() as client:
        made = await asyncio.create_subprocess_exec(
            *PALAVER, "keys", "create", "sk", "--label", "test", cwd=ROOT, env=environment,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert made.stdout is not None
        key = (await made.stdout.read()).decode().strip()
        await made.wait()

        without = await client.get(f"{server.url}/ai/conversations")
        wrong = await client.get(f"{server.url}/ai/conversations", headers={"authorization": "Bearer sk-wrong"})
        right = await client.get(f"{server.url}/ai/conversations", headers={"authorization": f"Bearer {key}"})

    assert re.fullmatch(r"sk-[0-9A-Za-z]{49}", key)
    assert [response.status_code for response in (without, wrong, right)] == [401, 401, 200]
