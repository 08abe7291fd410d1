"""Text to vectors: in this process, and over the OpenAI-compatible wire."""

import asyncio
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence

import numpy as np
import orjson
import pytest

from engine import Embedder, Patience, Purpose
from engine.providers.openai_embeddings import OpenAIEmbedder, Portions
from engine.wordllama import WordLlama
from errors import (
    ContextTooLong,
    NotConfigured,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderUnavailable,
)
from tests.engine.conftest import KEY
from tests.upstream import Call, Cut, Gate, Json, Reply, Upstream


class Sleeps:
    """Instead of sleeping: writes down for how long it would."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
async def embedder(upstream: Upstream, sleeps: Sleeps) -> AsyncIterator[OpenAIEmbedder]:
    made = embedder_at(upstream, sleeps, dimension=2)
    yield made
    await made.close()


def embedder_at(
    upstream: Upstream, sleeps: Sleeps, *, dimension: int | None = None, portions: Portions | None = None
) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        "acme",
        upstream.base_url,
        KEY,
        "text-1",
        dimension=dimension,
        portions=portions,
        patience=Patience(tries=3),
        uniform=lambda low, high: high,
        sleep=sleeps,
    )


def vectors(*rows: Sequence[float] | str) -> Reply:
    return Reply(body={"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]})


def inputs(calls: Sequence[Call]) -> list[list[str]]:
    return [call.json["input"] for call in calls]


# ---------------------------------------------------------------- in this process


async def test_texts_of_one_subject_lie_together() -> None:
    found = await WordLlama().embed(["a duck swims in the lake", "geese on the water", "quarterly tax report"])

    assert found.shape[1] == await WordLlama().dimension()
    assert found[0] @ found[1] > found[0] @ found[2]
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)


async def test_a_text_has_the_same_vector_alone_and_among_others() -> None:
    """What is embedded twice, after a crash for instance, must not differ."""
    embedder = WordLlama()
    texts = ["short", "a longer text " * 50, "x" * 100_000, "short"]

    together = await embedder.embed(texts)
    alone = np.concatenate([await embedder.embed([text]) for text in texts])

    assert np.array_equal(together, alone)


async def test_nothing_has_no_direction() -> None:
    found = await WordLlama().embed(["", "word"])

    assert not found[0].any()
    assert len(await WordLlama().embed([])) == 0


async def test_a_book_among_notes_takes_no_more_than_itself() -> None:
    """Padded to the longest, this would be seventeen gigabytes."""
    found = await WordLlama().embed(["a note"] * 63 + ["word and word again " * 50_000])

    assert np.isfinite(found).all()


async def test_the_loop_turns_while_texts_are_embedded() -> None:
    embedding = asyncio.ensure_future(WordLlama().embed(["some words to look up"] * 5_000))
    turns = 0
    while not embedding.done():
        await asyncio.sleep(0)
        turns += 1

    assert len(await embedding) == 5_000
    assert turns > 100


def test_never_touches_the_network() -> None:
    """In a process of its own where a socket cannot be made and no package that could download is loaded."""
    script = """
import asyncio, socket, sys
from engine.wordllama import WordLlama

def refuse(*_, **__):
    raise AssertionError("reached for the network")

async def main():
    socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
    found = await WordLlama().embed(["offline"])
    assert found.any()
    loaded = {"wordllama", "requests", "huggingface_hub", "urllib.request"} & set(sys.modules)
    assert not loaded, loaded

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- over the wire


async def test_asks_for_vectors_and_brings_them_to_unit_length(upstream: Upstream, embedder: OpenAIEmbedder) -> None:
    upstream.will(vectors([3, 4], [0, 2]))

    found = await embedder.embed(["one", "two"])

    call = await upstream.arrived()
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))
    assert found.dtype == np.float32
    assert (call.path, call.headers["Authorization"]) == ("/v1/embeddings", f"Bearer {KEY}")
    assert call.json == {"model": "text-1", "input": ["one", "two"], "dimensions": 2}


async def test_learns_the_dimension_once(upstream: Upstream, sleeps: Sleeps) -> None:
    embedder = embedder_at(upstream, sleeps)
    upstream.will(vectors([1, 0, 0]), vectors([0, 1, 0]))

    dimensions = await asyncio.gather(embedder.dimension(), embedder.dimension())
    found = await embedder.embed(["one"])
    await embedder.close()

    assert list(dimensions) == [3, 3]
    assert found.shape == (1, 3)
    assert inputs(upstream.calls) == [["dimension"], ["one"]]


async def test_puts_answers_in_order(upstream: Upstream, embedder: OpenAIEmbedder) -> None:
    upstream.will(Reply(body={"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]}))

    assert (await embedder.embed(["one", "two"])).tolist() == [[1, 0], [0, 1]]


async def test_takes_base64(upstream: Upstream, embedder: OpenAIEmbedder) -> None:
    upstream.will(vectors(b64encode(np.array([0, 5], "<f4").tobytes()).decode()))

    assert (await embedder.embed(["one"])).tolist() == [[0, 1]]


async def test_sends_no_text_that_is_blank(upstream: Upstream, embedder: OpenAIEmbedder) -> None:
    upstream.will(vectors([1, 0]))

    found = await embedder.embed(["", "word", " \n"])

    assert found.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert inputs(upstream.calls) == [["word"]]


async def test_sends_portions_of_a_size_and_a_few_at_a_time(upstream: Upstream, sleeps: Sleeps) -> None:
    embedder = embedder_at(upstream, sleeps, dimension=2, portions=Portions(texts=3, characters=10, calls_at_once=2))
    gates = [Gate() for _ in range(4)]
    sizes = [3, 1, 1, 1]
    upstream.will(
        *(
            Reply(body={"data": [{"embedding": [1, 0]}] * size}, before_headers=gate)
            for size, gate in zip(sizes, gates, strict=True)
        )
    )

    embedding = asyncio.ensure_future(embedder.embed(["a", "b", "c", "d" * 9, "e" * 12, "f" * 9]))
    await gates[0].reached.wait()
    await gates[1].reached.wait()
    under_way = len(upstream.calls)
    for gate in gates:
        gate.open()
    found = await embedding
    await embedder.close()

    assert under_way == 2
    assert found.tolist() == [[1, 0]] * 6
    assert sorted(inputs(upstream.calls), key=lambda texts: texts[0]) == [
        ["a", "b", "c"],
        ["d" * 9],
        ["e" * 12],
        ["f" * 9],
    ]


@pytest.mark.parametrize("failure", [Reply.error(500, "x"), Reply.error(429, "x"), Reply(Cut())])
async def test_asks_again(upstream: Upstream, embedder: OpenAIEmbedder, sleeps: Sleeps, failure: Reply) -> None:
    upstream.will(failure, failure, vectors([1, 0]))

    assert (await embedder.embed(["one"])).tolist() == [[1, 0]]
    assert sleeps.seconds == [0.5, 1.0]


async def test_waits_as_long_as_it_is_told(upstream: Upstream, embedder: OpenAIEmbedder, sleeps: Sleeps) -> None:
    upstream.will(Reply.error(429, "slow down", headers={"retry-after": "7"}), vectors([1, 0]))

    await embedder.embed(["one"])

    assert sleeps.seconds == [7.5]


async def test_halves_what_is_too_much_at_once(upstream: Upstream, embedder: OpenAIEmbedder) -> None:
    too_much = Reply.error(413, "Payload too large")
    busy = Reply(status=422, body={"error": "batch size 4 > maximum allowed batch size 2", "error_type": "Validation"})
    upstream.will(too_much, busy, vectors([1, 0]), vectors([0, 1]), vectors([1, 0], [0, 1]))

    found = await embedder.embed(["a", "b", "c", "d"])

    assert found.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert inputs(upstream.calls) == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("reply", "error", "sentence"),
    [
        (
            Reply.error(401, f"Incorrect API key {KEY}", code="invalid_api_key"),
            ProviderRefusedKey,
            "Incorrect API key …",
        ),
        (Reply(status=401, body={"detail": "Provided API key is invalid."}), ProviderRefusedKey, "key is invalid"),
        (Reply.error(429, "out of quota"), ProviderRateLimited, "out of quota"),
        (Reply.error(503, "overloaded"), ProviderUnavailable, "overloaded"),
        (Reply.error(404, "no such model"), ProviderFailed, "no such model"),
        (Reply.context_too_long(), ContextTooLong, "maximum context length"),
        (Reply(Cut()), ProviderUnavailable, "lost the connection"),
        (Reply(status=302, body={}, headers={"location": "http://elsewhere"}), ProviderFailed, "redirects elsewhere"),
        (Reply(body=b"<html>"), ProviderFailed, "something that is not a list of embeddings"),
        (Reply(body={"data": [{"embedding": "%%%"}]}), ProviderFailed, "something that is not a list of embeddings"),
        (Reply(body={"data": [{"embedding": [1, 0]}, {"embedding": [1]}]}), ProviderFailed, "not a list of embeddings"),
        (Reply(body={"data": []}), ProviderFailed, "sent 0 embeddings for 1 texts"),
        (Reply(body={"data": [{"embedding": [1, 0, 0]}]}), ProviderFailed, "3 numbers where 2 were expected"),
    ],
)
async def test_says_what_went_wrong(
    upstream: Upstream, embedder: OpenAIEmbedder, reply: Reply, error: type[ProviderFailed], sentence: str
) -> None:
    upstream.always = reply

    with pytest.raises(error) as caught:
        await embedder.embed(["one"])

    assert type(caught.value) is error
    assert sentence in str(caught.value)
    assert KEY not in str(caught.value)


async def test_one_failure_ends_the_others(upstream: Upstream, sleeps: Sleeps) -> None:
    embedder = embedder_at(upstream, sleeps, dimension=2, portions=Portions(texts=1, calls_at_once=2))
    gate = Gate()
    upstream.will(Reply(body={}, before_headers=gate), Reply.error(401, "no", code="invalid_api_key"))

    with pytest.raises(ProviderRefusedKey):
        await embedder.embed(["one", "two"])

    await upstream.calls[0].left.wait()
    await embedder.close()


async def test_speaks_voyage() -> None:
    embedder = OpenAIEmbedder("voyage", "https://api.voyageai.com/v1", KEY, "voyage-4", dimension=512)

    assert sent(embedder, Purpose.QUERY) == {
        "model": "voyage-4",
        "input": ["one"],
        "input_type": "query",
        "encoding_format": "base64",
        "output_dimension": 512,
    }


async def test_speaks_openai() -> None:
    embedder: Embedder = OpenAIEmbedder("openai", "https://api.openai.com/v1/", KEY, "text-embedding-3-small")

    assert isinstance(embedder, OpenAIEmbedder)
    assert sent(embedder, Purpose.DOCUMENT) == {
        "model": "text-embedding-3-small",
        "input": ["one"],
        "encoding_format": "base64",
    }
    assert embedder.name == "text-embedding-3-small@api.openai.com"


def sent(embedder: OpenAIEmbedder, purpose: Purpose) -> Json:
    body: Json = orjson.loads(embedder._body(["one"], purpose))
    return body


def test_an_address_has_to_be_one() -> None:
    with pytest.raises(NotConfigured, match="'acme' is not a web address"):
        OpenAIEmbedder("acme", "localhost:8080", "", "m")
