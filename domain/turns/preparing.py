"""What the model of a turn is asked: as for any other call of its agent, for the answer of this turn."""

from contextlib import AsyncExitStack

from domain.calling import Caller, CallSource
from domain.identity import Principal
from domain.preparing import Bill, Prepared, Preparing
from domain.retrieval import Asked
from domain.turns.beginning import Begun

__all__ = ["prepared"]


async def prepared(
    preparing: Preparing, principal: Principal, begun: Begun, bill: Bill, closing: AsyncExitStack
) -> Prepared:
    agent, conversation = begun.agent, begun.conversation
    whose = "gateway" if agent.gateway else "assistant"
    return await preparing.prepare(
        Caller(
            principal,
            CallSource.SESSIONS_API,
            agent.gateway.id if agent.gateway else None,
            conversation.external_user,
            conversation_token=str(conversation.id),
        ),
        agent.spec,
        agent.parameters,
        begun.request,
        asked=Asked(whose, conversation.id, begun.turn.answer_id),
        bill=bill,
        closing=closing,
    )
