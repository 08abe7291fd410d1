"""From an agent and what was said to what a model is asked, step by step, in the order in which gateways promise it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

import models
from domain import memories
from domain.agents import AgentSpec, Knowledge, Tool
from domain.calling import Caller
from domain.gateways.parameters import INTEGRATED, BuiltinFunction, BuiltinOptions, Flag, Parameters
from domain.preparing import instructions, knowledge, moderation, rounds, routing, shape, template
from domain.preparing import overrides as wishes
from domain.preparing.asking import Asking, Bill, Choice, Models, choice_of
from domain.preparing.multimodal import Descriptions
from domain.preparing.overflow import CHARACTERS_PER_TOKEN
from domain.preparing.overrides import Overrides
from domain.preparing.prepared import Prepared
from domain.retrieval import Asked, Retrieval
from domain.skills import Skills
from domain.tools.skills import SkillSet
from domain.tools.toolbox import Toolbox
from engine import ChatRequest, Engine, chat
from engine.guard import Guard
from errors import Invalid, NotConfigured, SourceFailed

__all__ = ["Preparing"]

# Of a model that is asked by its own name: nothing that was said is left out.
_AS_IT_IS = (Flag.PRESERVE_THINKING_TOKENS, Flag.INCLUDE_STORED_REASONING)


@dataclass(frozen=True, slots=True)
class _Call:
    """What stays the same while a call is prepared."""

    caller: Caller
    spec: AgentSpec
    gateway: Parameters
    # For which answer, where answers are kept.
    asked: Asked | None
    bill: Bill
    closing: AsyncExitStack

    @property
    def choice(self) -> Choice:
        return choice_of(self.spec)

    @property
    def known(self) -> Knowledge | None:
        return knowledge.knowledge_of(self.gateway) or self.spec.knowledge

    @property
    def remembers(self) -> bool:
        sentinel = self.gateway.sentinel_options
        return sentinel is not None and BuiltinFunction.REMEMBER in sentinel.enabled_functions

    @property
    def room(self) -> int:
        """How many characters the model may be told."""
        most = self.gateway.context_maximum_size
        ours = self.spec.context_characters
        return ours if most is None else min(ours, most * CHARACTERS_PER_TOKEN)


class Preparing:
    """Whoever is not there is not asked, and nobody can have set up that he is."""

    def __init__(
        self,
        engine: Engine,
        retrieval: Retrieval | None = None,
        *,
        toolbox: Toolbox | None = None,
        skills: Skills | None = None,
        models: Models | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._retrieval, self._toolbox, self._skills, self._models = retrieval, toolbox, skills, models
        self._asking = Asking(engine)
        self._descriptions = Descriptions(self._asking, guard=guard, models=models)

    async def prepare(
        self,
        caller: Caller,
        spec: AgentSpec,
        parameters: Parameters | None,
        request: ChatRequest,
        *,
        closing: AsyncExitStack,
        overrides: Overrides | None = None,
        asked: Asked | None = None,
        bill: Bill | None = None,
    ) -> Prepared:
        """`bill` is written while we are at it: whoever gives one knows what was paid for when this fails or is left.

        What tools hold open is closed with `closing`.
        """
        overrides, bill = overrides or Overrides(), bill or Bill()
        if parameters is None and spec.knowledge is None and not spec.tools and not overrides.asks_for_more:
            return Prepared(request, spec.targets, spec.model, items=bill.items)
        gateway = parameters or Parameters(INTEGRATED, spec.model.name, flags=_AS_IT_IS)
        gateway = wishes.merged(gateway, overrides)
        call = _Call(caller, spec, gateway, asked, bill, closing)
        rounds.check(gateway)

        sampled = wishes.with_settings(wishes.sampled(request, gateway), gateway, overrides.extra_body)
        scope = await self._scope(call, request)
        told = await self._told(call, sampled, scope)
        read = await self._in_words(call, told)
        inquiry = self._inquiry(call, scope)
        material = await inquiry.material(self._asking, call.choice, read, bill) if inquiry else None
        said = template.applied(read, gateway.user_prompt_template)
        call, said = await self._passed(call, said)
        if refused := await self._refused(call, said):
            # What an answer was to begin with is no beginning of a refusal.
            call = replace(call, gateway=replace(call.gateway, assistant_prefill=None))
            return _prepared(call, moderation.refusing(said, refused), call.choice, refused=", ".join(refused))
        said = knowledge.with_material(said, material)
        skills = await self._skills_of(call)
        tools = await self._tools(call, inquiry, skills)
        whole = _offering(call, instructions.followed_by(said, skills.index if skills else None), tools)
        # What does not fit is refused now, and not when the answer has begun.
        rounds.fitted(call.gateway, whole)
        if call.gateway.model_routing_parameters is None:
            return _prepared(call, whole, call.choice, tools, skills)
        complexity, route = await self._complexity(call, whole)
        chosen = await self._named(call, route.model_name)
        if route.reasoning_effort and "reasoning_effort" not in request.extra:
            whole = wishes.with_effort(whole, gateway, route.reasoning_effort)
        return _prepared(call, whole, chosen, tools, skills, complexity=complexity)

    # ---------------------------------------------------------------- what is told

    async def _scope(self, call: _Call, request: ChatRequest) -> Sequence[models.Collection]:
        if call.known is None or self._retrieval is None or not knowledge.question_of(request):
            return ()
        return await knowledge.linked(call.caller.principal, call.known)

    async def _told(self, call: _Call, request: ChatRequest, scope: Sequence[models.Collection]) -> ChatRequest:
        """One set of instructions: what changes most from call to call comes last."""
        gateway = call.gateway
        texts = [gateway.system_instruction]
        if gateway.system_instructions_sources and self._toolbox is not None:
            remote = self._toolbox.remote
            texts += [source.text for source in await remote.of(call.caller, gateway.system_instructions_sources)]
        texts.append(knowledge.contexts(scope))
        if call.remembers:
            options = gateway.builtin_functions_options or BuiltinOptions()
            texts.append(await memories.context_for(call.caller, options))
        texts.append(shape.in_words(request, gateway))
        return instructions.with_instructions(shape.taken(request, gateway), texts)

    async def _in_words(self, call: _Call, request: ChatRequest) -> ChatRequest:
        wanted = call.gateway.enabled_multimodal_features
        if not wanted:
            return request
        return await self._descriptions.described(call.caller, call.choice, request, wanted, call.bill)

    def _inquiry(self, call: _Call, scope: Sequence[models.Collection]) -> knowledge.Inquiry | None:
        if call.known is None or self._retrieval is None or not scope:
            return None
        return knowledge.Inquiry(
            self._retrieval,
            call.caller.principal,
            call.known,
            tuple(str(each.id) for each in scope),
            call.asked or Asked(call.known.agent),
            call.room // 2,
        )

    # ---------------------------------------------------------------- who has a say

    async def _passed(self, call: _Call, request: ChatRequest) -> tuple[_Call, ChatRequest]:
        """What the gateway's worker makes of it; it may also forbid it."""
        worker = self._toolbox.worker(call.caller, call.gateway) if self._toolbox else None
        if worker is None:
            return call, request
        passed = await worker.received(request, call.gateway)
        if not passed.request.messages:
            raise SourceFailed("The gateway's worker", "left nothing to be asked")
        return replace(call, caller=passed.caller, gateway=passed.parameters), passed.request

    async def _refused(self, call: _Call, request: ChatRequest) -> list[str]:
        if call.gateway.moderation_parameters is None:
            return []
        watched = moderation.thresholds(call.gateway.moderation_parameters)
        if not watched:
            return []
        takes_shapes = shape.takes_shapes(call.gateway)
        return await moderation.refused_for(
            self._asking, call.choice, request, watched, call.bill, takes_shapes=takes_shapes
        )

    # ---------------------------------------------------------------- what it may do

    async def _skills_of(self, call: _Call) -> SkillSet | None:
        if not call.gateway.skills or self._skills is None or self._toolbox is None:
            return None
        offered = await self._skills.by_ids(call.caller.principal, call.gateway.skills)
        return SkillSet(offered, call.gateway, self._toolbox.remote, call.caller)

    async def _tools(self, call: _Call, inquiry: knowledge.Inquiry | None, skills: SkillSet | None) -> dict[str, Tool]:
        """Those that run here."""
        tools = list(call.spec.tools.values())
        if inquiry is not None and inquiry.is_for_the_model:
            tools.append(inquiry.tool())
        if skills is not None and skills.tool is not None:
            tools.append(skills.tool)
        if self._toolbox is not None:
            tools = await self._toolbox.tools_for(call.caller, call.gateway, call.closing, tools)
        return {tool.name: tool for tool in tools}

    async def _complexity(self, call: _Call, request: ChatRequest) -> tuple[routing.Complexity, routing.Route]:
        """Sorted by the model for easy requests: nobody gains by a strong model that says how little is needed."""
        set_up = call.gateway.model_routing_parameters
        assert set_up is not None
        sorting = await self._named(call, set_up.low_complexity_model_name)
        complexity = await routing.complexity_of(self._asking, sorting, request, call.bill)
        return complexity, routing.route_of(set_up, complexity)

    async def _named(self, call: _Call, name: str) -> Choice:
        """At the gateway's own address if it has one, else wherever a model of this name is."""
        if call.gateway.base_address != INTEGRATED:
            return await routing.beside(call.choice, call.gateway.base_address, name)
        if self._models is None:
            raise NotConfigured("Requests cannot be routed to other models here")
        return await self._models.named(call.caller.principal, name)


def _offering(call: _Call, request: ChatRequest, tools: Mapping[str, Tool]) -> ChatRequest:
    """The model may call ours and the caller's."""
    # A turn has offered its own already.
    theirs = [tool for tool in request.tools if tool.name not in call.spec.tools]
    for tool in theirs:
        if tool.name in tools:
            raise Invalid("tools", f"must not have one that is called {tool.name!r}, as a tool of the agent is")
    ours = [chat.Tool(tool.name, tool.description, tool.parameters) for tool in tools.values()]
    return replace(request, tools=(*ours, *theirs)) if ours else request


def _prepared(
    call: _Call,
    request: ChatRequest,
    choice: Choice,
    tools: Mapping[str, Tool] | None = None,
    skills: SkillSet | None = None,
    *,
    complexity: str | None = None,
    refused: str | None = None,
) -> Prepared:
    return Prepared(
        replace(request, model=choice.targets[0].model),
        choice.targets,
        choice.model,
        tools or {},
        call.bill.items,
        partial(rounds.asked, call.gateway, skills),
        rounds.reading(call.gateway, request),
        complexity,
        refused,
    )
