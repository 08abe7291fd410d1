"""A gateway's worker: somebody's web address that is asked on the way, and may rewrite what it hears or stop it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any  # Events and actions are open JSON.

import orjson

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import Parameters
from domain.tools.calling import CallFailed, call, moment
from domain.tools.nonce import Nonces
from domain.tools.rewriting import Rewritten, rewritten
from engine import ChatRequest, wire
from engine.guard import Guard
from errors import Forbidden, Invalid, SourceFailed, ToolFailed

__all__ = ["Worker"]

_SECONDS = 30.0
_MOST_BYTES = 4_000_000
_ACTION = "application/json+worker-action"
_NAMED = "The gateway's worker"


class Worker:
    """What it answers is never kept: it is asked each time, and everybody waits for it."""

    def __init__(self, guard: Guard, nonces: Nonces, caller: Caller, url: str) -> None:
        self._guard, self._nonces, self._caller, self._url = guard, nonces, caller, url

    async def received(self, request: ChatRequest, parameters: Parameters) -> Rewritten:
        """The request as it goes on. Raises `Forbidden` when the worker does not want it to."""
        messages = [wire.message_json(message) for message in request.messages]
        action = await self._ask("message.received", {"messages": messages})
        as_it_is = Rewritten(request, parameters, self._caller)
        if action is None:
            return as_it_is
        try:
            _expect(action, "message.received.response")
            return rewritten(as_it_is, action["data"]["rewrites"])
        except Invalid as exc:
            raise SourceFailed(
                _NAMED, f"answered with a rewrite that cannot be made: {exc.field} {exc.problem}"
            ) from exc
        except (TypeError, KeyError, AttributeError, ValueError) as exc:
            raise SourceFailed(_NAMED, "answered with an action that makes no sense") from exc

    async def called(self, name: str, arguments: Mapping[str, Any]) -> ToolResult | None:
        """What the model is told instead of running the tool; nothing when it is to run."""
        try:
            action = await self._ask("tool.called", {"toolName": name, "toolArguments": arguments})
        except (Forbidden, SourceFailed) as exc:
            # Nothing runs that nobody has watched.
            raise ToolFailed(name, "was blocked by the gateway") from exc
        if action is None:
            return None
        try:
            _expect(action, "tool.called.response")
            messages = [wire.message_of(message) for message in action["data"].get("messages") or ()]
            return ToolResult(_text(action["data"]["result"]), tuple(messages))
        except (Invalid, TypeError, KeyError, AttributeError) as exc:
            raise ToolFailed(name, "was blocked: the gateway's worker answered with what makes no sense") from exc

    def watched(self, tool: Tool) -> Tool:
        """The same tool, which runs when the worker has nothing against it."""

        async def run(arguments: Mapping[str, Any]) -> Any:
            instead = await self.called(tool.name, arguments)
            return await tool.run(arguments) if instead is None else instead

        return replace(tool, run=run)

    async def _ask(self, event: str, told: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The action it wants; nothing when all may go on as it is."""
        caller = self._caller
        whose = {
            "origin": caller.source.value,
            "externalUserId": caller.external_user,
            "metadata": dict(caller.metadata),
        }
        body = {
            "gatewayId": None if caller.gateway_id is None else str(caller.gateway_id),
            "moment": moment(),
            "event": {"name": event, "data": {**told, **whose}},
        }
        nonce = await self._nonces.headers(caller.principal.workspace_id)
        try:
            answer = await call(
                self._guard,
                "POST",
                self._url,
                headers={"content-type": "application/json", **nonce},
                body=orjson.dumps(body),
                most_bytes=_MOST_BYTES,
                seconds=_SECONDS,
            )
        except CallFailed as exc:
            raise SourceFailed(_NAMED, exc.reason) from exc
        if not answer.is_fine:
            raise Forbidden("The gateway's worker does not let this request pass")
        if answer.media_type != _ACTION:
            return None
        try:
            action: Mapping[str, Any] = orjson.loads(answer.content)
        except orjson.JSONDecodeError as exc:
            raise SourceFailed(_NAMED, "answered with an action that is no JSON") from exc
        return action


def _expect(action: Mapping[str, Any], type: str) -> None:
    if action["type"] != type:
        raise TypeError(type)


def _text(result: Any) -> str:
    if not isinstance(result, str):
        raise TypeError
    return result
