import pytest
from graphql import build_schema

from execution import Executor, Limits, Refused, Request, Stage

SCHEMA = build_schema("type Query { hello: String  me: Person } type Person { name: String friends: [Person] }")


def refusal(text: str, name: str | None = None, limits: Limits | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        Executor(SCHEMA, limits=limits).prepare(Request(text, name))
    return refused.value


def test_checks_a_text_once() -> None:
    executor = Executor(SCHEMA)

    first = executor.prepare(Request("{ hello }"))

    assert executor.prepare(Request("{ hello }")) is first


def test_keeps_no_more_documents_than_it_may() -> None:
    executor = Executor(SCHEMA, limits=Limits(cached_documents=3))

    for number in range(10):
        executor.prepare(Request(f"{{ a{number}: hello }}"))

    assert len(executor.documents) == 3


def test_keeps_no_more_text_than_it_may() -> None:
    executor = Executor(SCHEMA, limits=Limits(cached_bytes=100))

    for number in range(10):
        executor.prepare(Request(f"{{ a{number}: hello }}" + " " * 30))

    assert len(executor.documents) == 2


def test_forgets_the_document_that_was_used_longest_ago() -> None:
    executor = Executor(SCHEMA, limits=Limits(cached_documents=2))
    first = executor.prepare(Request("{ hello }"))
    second = executor.prepare(Request("{ a: hello }"))
    executor.prepare(Request("{ hello }"))

    executor.prepare(Request("{ b: hello }"))

    assert executor.prepare(Request("{ hello }")) is first
    assert executor.prepare(Request("{ a: hello }")) is not second


def test_keeps_nothing_that_was_refused() -> None:
    executor = Executor(SCHEMA)

    for text in ("{", "{ nothing }", "query A { hello @a }"):
        with pytest.raises(Refused):
            executor.prepare(Request(text))

    assert len(executor.documents) == 0


def test_picks_the_operation_that_is_named() -> None:
    executor = Executor(SCHEMA)

    assert executor.prepare(Request("query A { hello } query B { me { name } }", "B")).name == "B"
    assert executor.prepare(Request("query A { hello }")).name == "A"


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        (
            "query A { hello } query B { hello }",
            None,
            "Must provide operation name if query contains multiple operations.",
        ),
        ("query A { hello } query B { hello }", "C", "Unknown operation named 'C'."),
        ("query A { hello }", "", "Unknown operation named ''."),
        ("{ hello }", "A", "Unknown operation named 'A'."),
    ],
)
def test_never_guesses_the_operation(text: str, name: str | None, complaint: str) -> None:
    refused = refusal(text, name)

    assert refused.stage is Stage.SELECT
    assert [error.message for error in refused.errors] == [complaint]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "}",
        "query",
        "\x00",
        "\ud800",
        "{ hello(a: \ud800) }",
        "#",
        '"',
        '"""',
        "{" * 5_000,
        "\ufeff",
        "{ hello ... }",
    ],
)
def test_says_what_cannot_be_read(text: str) -> None:
    assert refusal(text).stage is Stage.PARSE


def test_refuses_a_fragment_alone() -> None:
    assert refusal("fragment A on Query { hello }").stage in {Stage.SELECT, Stage.VALIDATE}


def test_suggests_nothing_unless_told_to() -> None:
    hidden = refusal("{ helo }")
    shown = refusal("{ helo }", limits=Limits(suggestions=True))

    assert hidden.errors[0].message == "Cannot query field 'helo' on type 'Query'."
    assert shown.errors[0].message == "Cannot query field 'helo' on type 'Query'. Did you mean 'hello'?"


def test_stops_checking_when_the_time_is_up() -> None:
    """Looked at now and then: a small document is through before."""
    refused = refusal("{" + " hello" * 100 + " }", limits=Limits(check_seconds=0, root_fields=100))

    assert [error.extensions for error in refused.errors] == [{"code": "timeout"}]
