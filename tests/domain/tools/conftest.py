from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from domain.calling import Caller, CallSource
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.retrieval import Retrieval
from domain.tools import Nonces, Toolbox
from engine.guard import Guard
from tests.conftest import EMBEDDERS
from tests.domain.tools.listening import Server, serving

SALT = "the salt of this account"


async def salt_of(workspace_id: UUID) -> str | None:
    return SALT


@pytest.fixture
def salt() -> str:
    return SALT


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as started:
        yield started


@pytest.fixture
def caller() -> Caller:
    principal = Principal(uuid4(), PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])
    return caller_of(principal)


def caller_of(principal: Principal) -> Caller:
    return Caller(
        principal,
        CallSource.SESSIONS_API,
        gateway_id=uuid4(),
        external_user="customer-123",
        metadata={"tier": "gold"},
        conversation_token="conversation-1",
    )


@pytest.fixture
def nonces() -> Nonces:
    return Nonces(salt_of)


@pytest.fixture
def guard() -> Guard:
    return Guard(allow_private=True)


@pytest.fixture
def toolbox(guard: Guard, nonces: Nonces) -> Toolbox:
    return Toolbox(guard, nonces, Retrieval(EMBEDDERS))
