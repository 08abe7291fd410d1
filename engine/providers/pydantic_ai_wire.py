"""Between our events and pydantic-ai's; `anthropic.py` and `google.py` say who is at the other end."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar

import httpcore2
import httpx2
import orjson
from pydantic_ai import direct, exceptions, messages
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from engine.chat import ChatRequest
from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage
from engine.failures import failure, retry_after, scrubbed
from engine.guard import Guard
from engine.providers.media import with_contents
from engine.providers.pydantic_ai_question import history_of, parameters_of, settings_of
from errors import ContextTooLong, Invalid, ProviderFailed, ProviderUnavailable

__all__ = ["PydanticAIWire", "http_client"]

END_REASONS = {
    "length": EndReason.LENGTH,
    "content_filter": EndReason.CONTENT_FILTER,
    "tool_call": EndReason.TOOL_CALLS,
}
LONGEST_WAIT_SECONDS = 24 * 3600  # the engine's patience ends long before; without a number, google-genai has its own

_responses: ContextVar[list[httpx2.Response] | None] = ContextVar("responses", default=None)


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses that the guard has seen, and to nothing that the name may lead to a moment later."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._network = guard, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._guard.addresses(host, port)
        except (Invalid, OSError) as exc:
            raise httpcore2.ConnectError(str(exc)) from exc
        # The name stays that of the certificate: TLS begins later, and knows it by itself.
        return await self._network.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("a socket of this machine is no public address")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


def _guarded_transport(guard: Guard) -> httpx2.AsyncHTTPTransport:
    transport = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None), trust_env=False)
    # httpx2 has no argument for it.
    transport._pool._network_backend = _GuardedNetwork(guard)
    return transport


def http_client(connect_seconds: float, guard: Guard | None = None) -> httpx2.AsyncClient:
    """Follows no redirects and reads no proxies from the environment."""

    async def remember(response: httpx2.Response) -> None:
        if (responses := _responses.get()) is not None:
            responses.append(response)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(LONGEST_WAIT_SECONDS, connect=connect_seconds),
        limits=httpx2.Limits(max_connections=None),
        trust_env=False,
        transport=_guarded_transport(guard) if guard else None,
        event_hooks={"response": [remember]},
    )


class PydanticAIWire:
    def __init__(
        self,
        name: str,
        key: str,
        *,
        http: httpx2.AsyncClient,
        model: Callable[[str], Model],
        listing: httpx2.Request,
        guard: Guard | None = None,
        reads_image_addresses: bool = False,
    ) -> None:
        self.name = name
        self._key, self._http, self._model, self._listing = key, http, model, listing
        # The operator's own vendor needs no guard; what its users show it does.
        self._guard, self._reads_image_addresses = guard or Guard(), reads_image_addresses

    async def chat(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[Event | None, None]:
        with self._failures():
            model = self._model(request.model)
            said = await with_contents(request.messages, self._guard, images=not self._reads_image_addresses)
            asked = history_of(said), settings_of(request), parameters_of(request, model)
            if not stream:
                history, settings, parameters = asked
                whole = await direct.model_request(
                    model, history, model_settings=settings, model_request_parameters=parameters
                )
                for part in whole.parts:
                    yield _of_part(part)
                for event in self._closing(whole):
                    yield event
                return
            async with _opened(model, *asked) as answer:
                async for piece in answer:
                    yield _of_piece(piece)
            whole = answer.get()
            if not (whole.finish_reason or (whole.provider_details or {}).get("finish_reason")):
                raise ProviderUnavailable(self.name, "the stream ended in the middle of the answer")
            for event in self._closing(whole):
                yield event

    async def models(self) -> list[str]:
        # Asked without pydantic-ai, which knows no such question.
        with self._failures():
            response = await self._http.send(self._listing)
        try:
            said = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            said = None
        match said:
            case {"data": [*rows]} if response.is_success:
                return [row["id"] for row in rows]
            case {"models": [*rows]} if response.is_success:
                return [row["name"].removeprefix("models/") for row in rows]
        raise failure(
            self.name,
            status=response.status_code,
            reason=_said(said),
            retry_after_seconds=retry_after(response.headers),
            secret=self._key,
        )

    async def close(self) -> None:
        await self._http.aclose()

    def _closing(self, answer: messages.ModelResponse) -> list[Event]:
        if answer.finish_reason == "error":
            raise ProviderUnavailable(self.name, "broke the answer off")
        reason = END_REASONS.get(answer.finish_reason or "", EndReason.STOP)
        if reason is EndReason.STOP and answer.tool_calls:
            reason = EndReason.TOOL_CALLS
        usage = [_usage(answer.usage)] if answer.usage.has_values() else []
        return [*usage, End(reason)]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except exceptions.ModelContextWindowExceededError as exc:
            raise ContextTooLong(self.name, scrubbed(_reason(exc), self._key)) from exc
        except exceptions.ModelHTTPError as exc:
            raise failure(
                self.name,
                status=exc.status_code,
                reason=_reason(exc),
                codes=frozenset(filter(None, (exc.provider_error_code, exc.provider_error_type))),
                retry_after_seconds=exc.retry_after,
                secret=self._key,
            ) from exc
        except (exceptions.ModelConnectionError, httpx2.TransportError) as exc:
            raise ProviderUnavailable(self.name, "could not be reached, or went away before the end") from exc
        except (exceptions.AgentRunError, exceptions.UserError) as exc:
            raise ProviderFailed(self.name, scrubbed(str(exc), self._key)) from exc


@asynccontextmanager
async def _opened(
    model: Model, history: list[messages.ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
) -> AsyncIterator[StreamedResponse]:
    """A streamed answer whose connection is closed at the end of the block.

    google-genai nests generators, which keep their connection until the garbage collector finds them; so we keep an
    eye on the responses ourselves.
    """
    async with AsyncExitStack() as stack:
        responses: list[httpx2.Response] = []
        token = _responses.set(responses)
        try:
            answer = await stack.enter_async_context(
                direct.model_request_stream(
                    model, history, model_settings=settings, model_request_parameters=parameters
                )
            )
        finally:
            _responses.reset(token)
            for response in responses:
                stack.push_async_callback(response.aclose)
        yield answer


def _of_piece(piece: messages.ModelResponseStreamEvent) -> Event | None:
    match piece:
        case messages.PartStartEvent(part=messages.ToolCallPart()):
            return None
        case messages.PartStartEvent(part=part):
            return _of_part(part)
        case messages.PartDeltaEvent(delta=messages.TextPartDelta(content_delta=text)) if text:
            return Text(text)
        case messages.PartDeltaEvent(delta=messages.ThinkingPartDelta(content_delta=str(text))) if text:
            return Reasoning(text)
        case messages.PartEndEvent(part=messages.ToolCallPart() as call):
            return _of_part(call)
    return None


def _of_part(part: messages.ModelResponsePart) -> Event | None:
    match part:
        case messages.TextPart(content=text) if text:
            return Text(text)
        case messages.ThinkingPart(content=text) if text:
            return Reasoning(text)
        case messages.ToolCallPart():
            return ToolCall(part.tool_call_id, part.tool_name, part.args_as_json_str())
    return None


def _usage(usage: RequestUsage) -> Usage:
    return Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)


def _reason(exc: exceptions.ModelAPIError) -> str:
    return _said(exc.body) or ("" if isinstance(exc, exceptions.ModelHTTPError) else exc.message)


def _said(body: object) -> str:
    """The vendor's own sentence; an HTML page of some proxy says less than its status."""
    match body:
        case {"error": {"message": str(said)}} | {"message": str(said)}:
            return said
        case str(said) if "<" not in said:
            return said
    return ""
