"""From an agent and what was said to what a model is asked, step by step, in the order in which gateways promise it."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from domain.agents import AgentSpec, QueryStrategy, Tool
from domain.calling import Caller
from domain.gateways.parameters import INTEGRATED, Parameters
from domain.preparing import instructions, knowledge, overflow, template, tool_context
from domain.preparing import overrides as wishes
from domain.preparing.asking import Asking, Bill, choice_of
from domain.preparing.overflow import CHARACTERS_PER_TOKEN
from domain.preparing.overrides import Overrides
from domain.preparing.prepared import Prepared
from domain.retrieval import Asked, Retrieval
from engine import ChatRequest, Engine, chat

__all__ = ["Preparing"]


class Preparing:
    def __init__(self, engine: Engine, retrieval: Retrieval | None = None) -> None:
        self._asking, self._retrieval = Asking(engine), retrieval

    async def prepare(
        self,
        caller: Caller,
        spec: AgentSpec,
        parameters: Parameters | None,
        request: ChatRequest,
        *,
        overrides: Overrides | None = None,
        asked: Asked | None = None,
        bill: Bill | None = None,
        closing: AsyncExitStack | None = None,
    ) -> Prepared:
        """`asked` is for which answer of which conversation, where these are kept.

        `bill` is written while we are at it: whoever gives one knows what was paid for when this fails or is left.
        What tools hold open is closed with `closing`.
        """
        overrides, bill = overrides or Overrides(), bill or Bill()
        choice = choice_of(spec)
        if parameters is None and spec.knowledge is None and not spec.tools and not overrides.asks_for_more:
            return Prepared(request, choice.targets, choice.model, items=bill.items)
        gateway = parameters or Parameters(INTEGRATED, spec.model.name)
        gateway = wishes.merged(gateway, overrides)
        request = wishes.sampled(request, gateway)
        request = wishes.with_settings(request, gateway, overrides.extra_body)

        known = knowledge.knowledge_of(gateway) or spec.knowledge
        scope = await knowledge.linked(caller.principal, known) if known and knowledge.question_of(request) else []
        request = instructions.with_instructions(request, [gateway.system_instruction, knowledge.contexts(scope)])
        tools = dict(spec.tools)
        material = None
        if known and scope and self._retrieval:
            inquiry = knowledge.Inquiry(
                self._retrieval,
                caller.principal,
                known,
                tuple(str(each.id) for each in scope),
                asked or Asked(known.agent),
                _room(spec, gateway) // 2,
            )
            if known.strategy is QueryStrategy.QUERY_FUNCTION:
                tools[knowledge.TOOL] = inquiry.tool()
            else:
                material = await inquiry.material(self._asking, choice, request, bill)
        request = template.applied(request, gateway.user_prompt_template)
        request = knowledge.with_material(request, material)
        request = _offering(request, tools)
        before_round = partial(_before_round, gateway)
        before_round(request, 0)  # What does not fit is refused now, and not when the answer has begun.
        return Prepared(request, choice.targets, choice.model, tools, bill.items, before_round)


def _room(spec: AgentSpec, gateway: Parameters) -> int:
    """How many characters the model may be told."""
    if gateway.context_maximum_size is None:
        return spec.context_characters
    return min(spec.context_characters, gateway.context_maximum_size * CHARACTERS_PER_TOKEN)


def _before_round(gateway: Parameters, request: ChatRequest, asked_before: int) -> ChatRequest:
    request = tool_context.shortened(request, gateway.tool_context_count)
    if gateway.context_maximum_size is not None:
        characters = gateway.context_maximum_size * CHARACTERS_PER_TOKEN
        request = replace(request, messages=overflow.fit(request.messages, characters, gateway.context_overflow_action))
    return request


def _offering(request: ChatRequest, tools: dict[str, Tool]) -> ChatRequest:
    """The model may call ours and the caller's."""
    if not tools:
        return request
    ours = [chat.Tool(tool.name, tool.description, tool.parameters) for tool in tools.values()]
    return replace(request, tools=(*ours, *(tool for tool in request.tools if tool.name not in tools)))
