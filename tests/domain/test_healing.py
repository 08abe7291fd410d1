import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.healing import Form, Healer, _read, form_of
from domain.preparing import Bill, Choice
from engine import Engine, Message, Tool
from engine.events import End, EndReason, Text, Usage
from engine.targets import Target
from engine.testing import ScriptedProvider, Step
from errors import Invalid, ProviderFailed
from tests.domain.preparing.conftest import model
from tests.domain.preparing.saying import request

PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
CHOICE = Choice(model(), (Target("scripted", "scripted-1"),))
ASKED = request(Message.user("How old is Ada?"), tools=(Tool("look"),), tool_choice="auto")


def saying(text: str) -> list[Step]:
    return [Text(text), Usage(100, 5), End(EndReason.STOP)]


async def healed(
    text: str, *answers: str, attempts: int = 3, form: Form | None = None
) -> tuple[str, ScriptedProvider, Bill]:
    provider, bill = ScriptedProvider(*map(saying, answers or ("",))), Bill()
    healing = Healer(Engine({"scripted": provider}))
    form = form or await form_of(PERSON)
    return await healing.heal(text, form, CHOICE, ASKED, bill, max_attempts=attempts), provider, bill


@pytest.mark.parametrize("text", ['{"age": 36}', '{ "age":36,\n "x": 1.50 }'])
async def test_what_is_right_stays_as_it_was_written(text: str) -> None:
    got, provider, bill = await healed(text)

    assert (got, provider.requests, bill.items) == (text, [], ())


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"age": 36}\n```',
        'Here it is:\n{"age": 36}\nAnything else?',
        "{'age': 36,}",
        '{"age": 36',
        '<think>{"age": 1}</think>{"age": 36}',
        "{age: 36} // about",
    ],
)
async def test_what_is_nearly_right_is_repaired_for_nothing(text: str) -> None:
    got, provider, _ = await healed(text)

    assert got.replace(" ", "") == '{"age":36}'
    assert provider.requests == []


async def test_the_model_is_told_what_is_wrong_and_asked_again() -> None:
    got, provider, bill = await healed('{"age": "many"}', '{"age": null}', '{"age": 36}')

    assert got == '{"age": 36}'
    first, second = provider.requests
    assert [message.text for message in first.messages[:2]] == ["How old is Ada?", '{"age": "many"}']
    assert "- age: 'many' is not of type 'integer'" in first.messages[2].text
    assert '"required":["age"]' in first.messages[2].text
    assert [message.text for message in second.messages[:2]] == ["How old is Ada?", '{"age": null}']
    assert (first.tools, first.tool_choice) == ((), None)
    assert [(item.sku, item.quantity) for item in bill.items] == [
        ("inference.resolving.json_healing.in", 100),
        ("inference.resolving.json_healing.out", 5),
    ] * 2


async def test_it_is_not_asked_for_ever() -> None:
    provider, bill = ScriptedProvider(saying("I cannot.")), Bill()

    with pytest.raises(ProviderFailed, match="gave no JSON of the form that was asked for, also when asked again"):
        await Healer(Engine({"scripted": provider})).heal(
            "I will not.", await form_of(PERSON), CHOICE, ASKED, bill, max_attempts=50
        )

    assert len(provider.requests) == 10
    assert len(bill.items) == 20


async def test_it_may_be_not_asked_at_all() -> None:
    with pytest.raises(ProviderFailed):
        await healed("I will not.", attempts=0)

    assert (await healed('{"age": 36,}', attempts=0))[0] == '{"age":36}'


async def test_without_a_schema_an_object_is_enough() -> None:
    assert (await healed('{"a": 1}', form=Form()))[0] == '{"a": 1}'
    got, provider, _ = await healed('"a"', '{"a": 1}', form=Form())
    assert got == '{"a": 1}'
    assert "It is no JSON object." in provider.requests[0].messages[2].text


async def test_with_a_schema_any_value_may_be_asked_for() -> None:
    assert (await healed('"a"', form=await form_of({"type": "string"})))[0] == '"a"'


async def test_a_schema_that_cannot_be_followed_costs_nothing() -> None:
    with pytest.raises(Invalid) as caught:
        await form_of({"$ref": "http://127.0.0.1:9/schema"}, "response_format.json_schema.schema")

    assert caught.value.field == "response_format.json_schema.schema"


async def test_numbers_that_nobody_can_write_are_no_answer() -> None:
    got, _, _ = await healed('{"age": 99999999999999999999999999,}', '{"age": 36}')

    assert got == '{"age": 36}'


@given(st.text(alphabet='{}[]",:\\ aét1\n', max_size=300))
def test_nothing_that_a_model_writes_breaks_the_repair(text: str) -> None:
    read = _read(text, Form())

    assert isinstance(read.text, str)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 40_000, '{"a": "' + '" ' * 90_000, "{" + "," * 190_000])
async def test_hostile_answers_are_read_in_time(text: str) -> None:
    assert (await healed(text, '{"age": 36}'))[0] == '{"age": 36}'
