from collections.abc import AsyncIterator

import pytest

from engine import ChatRequest, Message
from engine.providers.openai import OpenAIProvider
from tests.upstream import Upstream

KEY = "sk-test-0123456789"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAIProvider]:
    made = OpenAIProvider("acme", upstream.base_url, KEY)
    yield made
    await made.close()


@pytest.fixture
def question() -> ChatRequest:
    return ChatRequest(model="test-model", messages=(Message.user("Hi"),))
