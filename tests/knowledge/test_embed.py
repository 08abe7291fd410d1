"""Vectors for what was split."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine import Purpose, Vectors
from engine.wordllama import WordLlama
from knowledge import embed
from models.database import connection


class Counting(WordLlama):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[str], Purpose]] = []

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        self.asked.append((list(texts), purpose))
        return await super().embed(texts, purpose)


async def test_what_is_said_twice_is_sent_once() -> None:
    embedder = Counting()

    found = await embed.embed_passages(embedder, ["duck", "goose", "duck"])

    assert embedder.asked == [(["duck", "goose"], Purpose.DOCUMENT)]
    assert np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


async def test_a_question_is_told_apart_from_its_answers() -> None:
    embedder = Counting()

    await embed.embed_question(embedder, "which bird?", "what bird?")

    assert embedder.asked == [(["which bird?", "what bird?"], Purpose.QUERY)]


def test_rows_in_the_words_of_postgres() -> None:
    rows = embed.to_sql(np.array([[0.5, -1.0], [1e-9, 0]], np.float32))

    assert rows == ["[0.5,-1.0]", "[1e-9,0.0]"]


async def test_vectors_come_back_from_postgres_as_they_went(database: object) -> None:
    vectors = await WordLlama().embed(["duck", "goose"])
    async with connection() as bare:
        rows = await bare.fetch("SELECT v::vector::real[] AS v FROM unnest($1::text[]) v", embed.to_sql(vectors))

    assert np.array([row["v"] for row in rows], np.float32) == pytest.approx(vectors, rel=1e-6)
