"""What a request says wins over what its gateway says; and what the gateway's model cannot take is not sent to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any  # Bodies are open JSON.

from domain.gateways.parameters import (
    INTEGRATED,
    BuiltinFunction,
    BuiltinOptions,
    Flag,
    Media,
    Parameters,
    Sentinel,
)
from engine import wire
from engine.chat import ChatRequest
from errors import Invalid

__all__ = ["Overrides", "merged", "sampled", "with_effort", "with_settings"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a request wants otherwise than its gateway and is not said to the model. Absent is left to the gateway."""

    builtin_functions: tuple[BuiltinFunction, ...] = ()
    builtin_options: BuiltinOptions | None = None
    multimodal: Media | None = None
    explanations: bool | None = None
    extra_body: Mapping[str, Any] | None = None

    @property
    def asks_for_more(self) -> bool:
        """Whether a bare model needs more than to be asked."""
        return bool(self.builtin_functions or self.multimodal or self.explanations or self.extra_body)


def merged(parameters: Parameters, wanted: Overrides) -> Parameters:
    changes: dict[str, Any] = {}
    if wanted.builtin_functions:
        changes["sentinel_options"] = Sentinel(wanted.builtin_functions)
    if wanted.builtin_options is not None:
        changes["builtin_functions_options"] = wanted.builtin_options
    if wanted.multimodal is not None:
        changes["enabled_multimodal_features"] = (wanted.multimodal,)
    if wanted.explanations is not None:
        changes["tool_invocation_explanations"] = wanted.explanations
    return replace(parameters, **changes) if changes else parameters


def sampled(request: ChatRequest, gateway: Parameters) -> ChatRequest:
    """The request's own word, else the gateway's; nothing that the model does not take."""
    extra = dict(request.extra)
    if gateway.reasoning_effort is not None:
        extra.setdefault("reasoning_effort", gateway.reasoning_effort)
    if gateway.verbosity is not None:
        extra.setdefault("verbosity", gateway.verbosity)
    if gateway.has(Flag.NO_REASONING_EFFORT):
        extra.pop("reasoning_effort", None)
    if gateway.has(Flag.DISABLE_REASONING_SUMMARY):
        extra = _without_summary(extra)
    stop = request.stop or ((gateway.stop,) if gateway.stop else ())
    tools = request.tools or tuple(
        wire.tool_of(tool, f"tools[{place}]") for place, tool in enumerate(gateway.tools or ())
    )
    return replace(
        request,
        tools=tools,
        temperature=None if gateway.has(Flag.NO_TEMPERATURE) else _first(request.temperature, gateway.temperature),
        top_p=_first(request.top_p, gateway.top_p),
        presence_penalty=_first(request.presence_penalty, gateway.presence_penalty),
        frequency_penalty=_first(request.frequency_penalty, gateway.frequency_penalty),
        max_tokens=request.max_tokens if request.max_tokens is not None else gateway.max_completion_tokens,
        stop=() if gateway.has(Flag.NO_STOP_PARAMETER) else stop,
        extra=extra,
    )


def with_settings(request: ChatRequest, gateway: Parameters, extra_body: Mapping[str, Any] | None) -> ChatRequest:
    """Whatever else the body is to hold. What one's own address may be told, the platform's models may not."""
    settings = gateway.additional_settings
    if not settings and not extra_body:
        return request
    if gateway.base_address == INTEGRATED:
        field = "extra_body" if extra_body else "additionalSettings"
        raise Invalid(field, "is for gateways with a base address of their own, and this model is an integrated one")
    return replace(request, extra={**(settings or {}), **request.extra, **(extra_body or {})})


def with_effort(request: ChatRequest, gateway: Parameters, effort: str) -> ChatRequest:
    if gateway.has(Flag.NO_REASONING_EFFORT):
        return request
    return replace(request, extra={**request.extra, "reasoning_effort": effort})


def _without_summary(extra: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in extra.items() if name != "reasoning_summary"}
    if isinstance(reasoning := kept.get("reasoning"), Mapping):
        kept["reasoning"] = {
            name: value for name, value in reasoning.items() if name not in ("summary", "generate_summary")
        }
    return kept


def _first(wanted: float | None, configured: float | None) -> float | None:
    return configured if wanted is None else wanted
