"""One call from its admission to its record: whatever happens between, it is written down once, with what it cost."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import models
from domain.accounts import Accounts, AccountSettings
from domain.admission import Admission, Permit
from domain.answering import Answering, Returned, Said, Step
from domain.calling import Caller, CallSource
from domain.completions.asked import Asked
from domain.completions.keeping import heard, parts_of
from domain.completions.names import Agent, Names, tag_of
from domain.completions.writing import Facts, Outcome
from domain.healing import Form, Healer, form_of
from domain.identity import Principal
from domain.ledger import Entry, Ledger, Spoken, Utterance
from domain.preparing import Bill, Choice, Prepared, Preparing
from domain.usage import UsageItem, items_of
from engine import Engine, Packet
from engine.events import EndReason, Reasoning, Text, ToolCall, Usage
from engine.targets import Target
from errors import PlatformError

__all__ = ["Call", "Means"]


@dataclass(frozen=True, slots=True)
class Means:
    engine: Engine
    names: Names
    preparing: Preparing
    admission: Admission
    ledger: Ledger
    accounts: Accounts
    healer: Healer
    # Told of each call that ended here, for the operator's figures.
    ended: Callable[[Entry], object] = lambda entry: None


class Call:
    """Open it, listen to its steps, close it. What it used is known when the steps are over."""

    def __init__(
        self, means: Means, principal: Principal, asked: Asked, agent: Agent, account: AccountSettings, permit: Permit
    ) -> None:
        self._means, self._permit = means, permit
        self.principal, self.asked, self.agent, self.account = principal, asked, agent, account
        self.id = models.new_id(models.Kind.TURN)
        self.facts = Facts(str(self.id), int(time.time()), agent.called)
        self.bill = Bill()
        self.prepared: Prepared | None = None
        # The answer as it was put right, where it has to be JSON.
        self.healed: str | None = None
        self._form: Form | None = None
        self.answering: Answering | None = None
        self._first_at: datetime | None = None
        self._began_at, self._began = datetime.now(UTC), time.perf_counter()
        self._closing = AsyncExitStack()
        self._error: BaseException | None = None

    @classmethod
    async def open(cls, means: Means, principal: Principal, asked: Asked) -> "Call":
        """Admitted, but nobody has been asked anything yet."""
        agent = await means.names.find(principal, asked.model)
        account = await means.accounts.settings_of(principal.workspace_id)
        likely = agent.likely(asked.request)
        permit = await means.admission.admit(
            principal, estimate=likely.most, least=likely.least, tokens=likely.tokens, is_bound=likely.is_bound
        )
        return cls(means, principal, asked, agent, account, permit)

    @property
    def has_to_be_json(self) -> bool:
        """And is put right when it is not: because it was asked for, or because the account wants it of all JSON."""
        healing = self.asked.healing
        return self.asked.json_only or (healing is not None and (healing.explicit or self.account.heals_json))

    async def prepare(self) -> Prepared:
        asked, gateway = self.asked, self.agent.gateway
        if self.has_to_be_json:
            # A schema that cannot be followed is told before anybody is asked.
            healing = asked.healing
            self._form = await form_of(healing.schema, healing.field) if healing else await form_of(None)
        self.prepared = await self._means.preparing.prepare(
            Caller(
                self.principal,
                CallSource.CHAT_COMPLETIONS_API,
                gateway.id if gateway else None,
                asked.user,
                asked.metadata or {},
                asked.idempotency_key or str(self.id),
            ),
            self.agent.spec,
            self.agent.parameters,
            asked.request,
            overrides=asked.overrides,
            bill=self.bill,
            closing=self._closing,
        )
        self.facts = replace(self.facts, model=self._called(self.prepared))
        return self.prepared

    def _called(self, prepared: Prepared) -> str:
        """The model that answers, which the gateway may have chosen by the question."""
        if self.agent.has_own_address:
            return prepared.request.model
        return self.agent.called if prepared.model is self.agent.spec.model else tag_of(prepared.model)

    async def steps(self, *, stream: bool) -> AsyncGenerator[Step, None]:
        prepared = self.prepared or await self.prepare()
        self.answering = Answering(
            self._means.engine,
            prepared.targets,
            prepared.request,
            prepared.tools,
            stream=stream,
            max_rounds=self.agent.spec.max_rounds,
            before_round=prepared.before_round,
            reading=prepared.reading,
        )
        async with aclosing(self.answering.steps()) as steps:
            async for step in steps:
                if self._first_at is None and isinstance(step, Packet):
                    self._first_at = datetime.now(UTC)
                    self._notice(step.target)
                yield step

    def _notice(self, target: Target) -> None:
        """Of several models, answers name the one that answers."""
        row = self.agent.rows.get(target.model_id)
        if row is not None and len(self.agent.targets) > 1:
            self.facts = replace(self.facts, model=tag_of(row))

    async def heal(self) -> None:
        """What calls a tool of the caller's is no answer yet, and a refusal is none: they are left as they are."""
        if self._form is None or self.prepared is None or self.prepared.refused:
            return
        if any(isinstance(each, ToolCall) for each in self.said[-1:]):
            return
        targets = (self.answering.target,) if self.answering and self.answering.target else self.prepared.targets
        self.healed = await self._means.healer.heal(
            self.text,
            self._form,
            Choice(self.model, targets),
            # Without the beginning that it was given the first time.
            self.prepared.sent(1),
            self.bill,
            max_attempts=self.asked.healing.max_attempts if self.asked.healing else 1,
        )

    async def __aenter__(self) -> "Call":
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self._closing.aclose()
        finally:
            self._record(error)

    # ---------------------------------------------------------------- what it was

    @property
    def said(self) -> list[Said]:
        return self.answering.said if self.answering else []

    @property
    def text(self) -> str:
        if self.healed is not None:
            return self.healed
        return "".join([each.text for each in self.said if isinstance(each, Text)])

    @property
    def reasoning(self) -> str:
        return "".join([each.text for each in self.said if isinstance(each, Reasoning)])

    @property
    def model(self) -> models.Model:
        """Who answered, or would have."""
        target = self.answering.target if self.answering else None
        if target is not None and target.model_id in self.agent.rows:
            return self.agent.rows[target.model_id]
        return self.prepared.model if self.prepared else self.agent.spec.model

    def usage(self) -> Usage:
        if self.answering is None:
            return Usage(0, 0)
        return self.answering.used(has_failed=isinstance(self._error, PlatformError))

    def outcome(self) -> Outcome:
        usage = self.usage()
        reason = (self.answering.reason if self.answering else None) or EndReason.STOP
        run = [each for each in self.said if isinstance(each, Returned)]
        return Outcome(usage, self._items(usage), reason, run)

    def _items(self, usage: Usage) -> list[UsageItem]:
        return [*self.bill.items, *items_of(usage, self.model, self.facts.model)]

    # ---------------------------------------------------------------- its record

    def _record(self, error: BaseException | None) -> None:
        self._error = error
        asked_anybody = self.answering is not None and self.answering.rounds > 0
        if not asked_anybody and not self.bill.items:
            self._permit.release()
            return
        usage, model = self.usage(), self.model
        has_left = isinstance(error, asyncio.CancelledError | GeneratorExit)
        entry = Entry(
            id=self.id,
            principal=self.principal,
            gateway_id=self.agent.gateway.id if self.agent.gateway else None,
            provider_name=_provider_of(model) or self.agent.spec.provider_name,
            model=model,
            action="completion",
            usage=usage,
            items=self.bill.items,
            error_code=None if error is None or has_left else _code_of(error),
            error_message=str(error) if isinstance(error, PlatformError) else None,
            was_cancelled=has_left,
            external_user=self.asked.user,
            started_at=self._began_at,
            first_token_at=self._first_at,
            response_ms=round((time.perf_counter() - self._began) * 1000, 1),
            permit=self._permit,
            spoken=self._spoken() if self.account.allows_logging else None,
        )
        self._means.ledger.record(entry)
        self._means.ended(entry)

    def _spoken(self) -> Spoken:
        answer = Utterance("assistant", parts_of(self.said)) if self.said else None
        return Spoken(
            [heard(message) for message in self.asked.request.messages],
            answer,
            self.asked.metadata or {},
            self.asked.idempotency_key,
        )


def _code_of(error: BaseException) -> str:
    return error.code if isinstance(error, PlatformError) else PlatformError.code


def _provider_of(model: models.Model) -> str | None:
    return model.provider.name if isinstance(model.provider, models.Provider) else None
