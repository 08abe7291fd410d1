import pytest

from domain.gateways.parameters import BuiltinFunction, Flag, Media, Sentinel
from domain.preparing.overrides import Overrides, merged, sampled, with_settings
from errors import Invalid
from tests.domain.preparing.saying import at_home, elsewhere, request

GATEWAY = {
    "temperature": 0.2,
    "top_p": 0.5,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.3,
    "stop": "END",
    "max_completion_tokens": 50,
    "reasoning_effort": "low",
    "verbosity": "high",
}


def test_the_gateway_speaks_where_the_request_is_silent() -> None:
    asked = sampled(request(), at_home(**GATEWAY))

    assert (asked.temperature, asked.top_p, asked.presence_penalty, asked.frequency_penalty) == (0.2, 0.5, 0.1, 0.3)
    assert (asked.stop, asked.max_tokens) == (("END",), 50)
    assert asked.extra == {"reasoning_effort": "low", "verbosity": "high"}


def test_the_request_wins_also_with_a_zero() -> None:
    wanted = request(
        temperature=0.0,
        top_p=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        stop=("STOP",),
        max_tokens=7,
        extra={"reasoning_effort": "high", "verbosity": "low", "top_k": 3},
    )

    assert sampled(wanted, at_home(**GATEWAY)) == wanted


@pytest.mark.parametrize(
    ("flag", "missing"),
    [
        (Flag.NO_TEMPERATURE, "temperature"),
        (Flag.NO_STOP_PARAMETER, "stop"),
        (Flag.NO_REASONING_EFFORT, "reasoning_effort"),
    ],
)
def test_what_the_model_does_not_take_is_never_sent(flag: Flag, missing: str) -> None:
    wanted = request(temperature=1.0, stop=("STOP",), extra={"reasoning_effort": "high"})

    asked = sampled(wanted, at_home(**GATEWAY, flags=(flag,)))

    sent = {"temperature": asked.temperature, "stop": asked.stop, **asked.extra}
    assert not sent.get(missing)
    assert [name for name in ("temperature", "stop", "reasoning_effort") if sent.get(name)] == [
        name for name in ("temperature", "stop", "reasoning_effort") if name != missing
    ]


def test_no_summary_of_reasoning_is_asked_for_where_there_is_none() -> None:
    wanted = request(extra={"reasoning": {"effort": "low", "summary": "auto"}, "reasoning_summary": "auto", "top_k": 1})

    asked = sampled(wanted, at_home(flags=(Flag.DISABLE_REASONING_SUMMARY,)))

    assert asked.extra == {"reasoning": {"effort": "low"}, "top_k": 1}
    assert sampled(wanted, at_home()).extra == wanted.extra


def test_at_an_address_of_ones_own_anything_may_be_said() -> None:
    gateway = elsewhere(additional_settings={"seed": 1, "mirostat": 2, "top_k": 1})

    asked = with_settings(request(extra={"top_k": 5}), gateway, {"mirostat": 0})

    assert asked.extra == {"seed": 1, "mirostat": 0, "top_k": 5}


@pytest.mark.parametrize(
    ("settings", "extra_body", "field"),
    [(None, {"x": 1}, "extra_body"), ({"x": 1}, None, "additionalSettings"), ({"x": 1}, {"y": 1}, "extra_body")],
)
def test_nothing_is_slipped_into_the_platforms_own_models(
    settings: dict[str, int] | None, extra_body: dict[str, int] | None, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        with_settings(request(), at_home(additional_settings=settings), extra_body)

    assert caught.value.field == field


def test_a_request_may_want_other_tools_than_its_gateway() -> None:
    gateway = at_home(sentinel_options=Sentinel((BuiltinFunction.CODE,)), tool_invocation_explanations=True)
    wanted = Overrides((BuiltinFunction.OPEN_URL,), multimodal=Media.IMAGE, explanations=False)

    got = merged(gateway, wanted)

    assert got.sentinel_options == Sentinel((BuiltinFunction.OPEN_URL,))
    assert got.enabled_multimodal_features == (Media.IMAGE,)
    assert got.tool_invocation_explanations is False
    assert merged(gateway, Overrides()) is gateway
