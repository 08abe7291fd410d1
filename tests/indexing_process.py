"""A process that does jobs until it is killed: `python -m tests.indexing_process '<credentials as JSON>'`."""

import asyncio
import sys

import orjson

from domain.embedders import Embedders
from domain.ingestion import Ingestion, IngestionOptions
from engine.wordllama import WordLlama
from models.database import Database


async def work(credentials: str) -> None:
    database = Database(orjson.loads(credentials))
    await database.open()
    Ingestion(Embedders([WordLlama()]), IngestionOptions(takeover_seconds=2)).open()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
