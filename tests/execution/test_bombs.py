"""Documents made to hurt. Each is answered, by a refusal or not at all badly, in time that its size explains."""

import gc
from collections.abc import Callable
from time import thread_time

import pytest
from graphql import build_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from execution import Executor, Limits, Refused, Request, Result
from execution.errors import present

SCHEMA = build_schema("""
    type Query { me: User  users(first: Int): [User!]!  search(in: In, tags: [[[[String]]]]): [User]
                 a: Query  b: Query  s: String }
    input In { a: In  b: [In]  s: String  n: Int }
    interface Node { id: ID! }
    type User implements Node { id: ID!  name: String  friends: [User]  me: User }
""")
# Everything that counts is let through, so that only the way of checking stands between a bomb and its cost.
OPEN = Limits(
    depth=10**6,
    fields=10**30,
    aliases=10**6,
    directives=10**6,
    root_fields=10**6,
    cost=10**30,
    values=10**6,
    check_seconds=60,
)


def chain(length: int, body: str) -> str:
    fragments = [f"fragment F{n} on Query {{ {body.replace('NEXT', f'...F{n + 1}')} }}" for n in range(length)]
    return " ".join(["{ ...F0 }", *fragments, f"fragment F{length} on Query {{ s }}"])


BOMBS = {
    "a fragment spread twice by each": chain(26, "NEXT NEXT"),
    "a fragment nested twice in each": chain(26, "a { NEXT } b { NEXT }"),
    "the longest chain": chain(90, "NEXT NEXT"),
    "one field thousands of times": "{" + "s " * 4_900 + "}",
    "one field thousands of times below another": "{ a {" + "s " * 4_900 + "}}",
    "one alias many times": "{ a {" + "x: s " * 1_200 + "}}",
    "one object many times": "{ a {" + "me { id name } " * 900 + "}}",
    "a tree many times": "{" + "a{a{a{a{a{a{a{s}}}}}}}" * 200 + "}",
    "a fragment hundreds of times": "{ a {" + "...F " * 400 + "}} fragment F on Query { s a { s } }",
    "many fragments at one place": "{ a {"
    + " ".join(f"...F{n}" for n in range(90))
    + "}}"
    + " ".join(f"fragment F{n} on Query {{ s a {{ s b {{ s }} }} }}" for n in range(90)),
    "inline fragments in each other": "{" + "...{" * 150 + "s" + "}" * 150 + "}",
    "inline fragments beside each other": "{" + "... on Query { s a { s } }" * 400 + "}",
    "aliases": "{" + " ".join(f"x{n}: s" for n in range(1_200)) + "}",
    "directives": "{ s " + "@skip(if: true) " * 600 + "}",
    "unknown directives": "{ s " + "@a " * 2_000 + "}",
    "unknown fields": "{" + " ".join(f"z{n}" for n in range(4_000)) + "}",
    "unknown arguments": "{ s(" + " ".join(f"z{n}: 1" for n in range(1_200)) + ") }",
    "unknown members of an input": "{ search(in: {" + " ".join(f"z{n}: 1" for n in range(990)) + "}) { id } }",
    "a long list of inputs": "{ search(in: {b: [" + "{n: 1}" * 450 + "]}) { id } }",
    "a deep input": "{ search(in: " + "{a: " * 190 + "{s: 1}" + "}" * 190 + ") { id } }",
    "a deep list": "{ search(tags: " + "[" * 190 + "]" * 190 + ") { id } }",
    "deep fields": "{" + "a {" * 190 + "s" + "}" * 190 + "}",
    "fields too deep for any stack": "{" + "a {" * 2_000 + "s" + "}" * 2_000 + "}",
    "fragments too deep for any stack": chain(90, "a { a { a { a { a { a { NEXT } } } } } }"),
    "variables": "query(" + " ".join(f"$v{n}: Int" for n in range(900)) + ") { s }",
    "operations": " ".join(f"query Q{n} {{ ...F }}" for n in range(99)) + " fragment F on Query { s }",
    "a circle of fragments": "{ ...F0 }"
    + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 95} }}" for n in range(95)),
    "circles everywhere": "{ ...F0 }"
    + " ".join(f"fragment F{n} on Query {{ {' '.join(f'...F{m}' for m in range(30))} }}" for n in range(30)),
    "circles of introspection": "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    "one long string": '{ search(in: {s: "' + "x" * 90_000 + '"}) { id } }',
    "one long block": '{ search(in: {s: """' + "\n x" * 30_000 + '"""}) { id } }',
    "one long number": "{ search(in: {n: " + "9" * 90_000 + "}) { id } }",
    "comments": "#\n" * 40_000 + "{ s }",
    "brackets": "{" + "(" * 90_000,
    "quotes": '"' * 90_000,
    "a hundred thousand dots": "{" + "." * 99_000,
}


def seconds(check: Callable[[], object]) -> float:
    """The least of three: a busy machine slows even the time that a thread has for itself."""
    return min(_once(check) for _ in range(3))


def _once(check: Callable[[], object]) -> float:
    # What the collector walks through is what the whole suite has left in memory, and none of the check's doing.
    gc.disable()
    try:
        start = thread_time()
        check()
        return thread_time() - start
    finally:
        gc.enable()


def checked(text: str, limits: Limits) -> bytes:
    try:
        Executor(SCHEMA, limits=limits).prepare(Request(text))
    except Refused as refused:
        return Result(None, present(refused.errors)).encode()
    return b""


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_no_document_takes_long(text: str) -> None:
    assert seconds(lambda: checked(text, Limits())) < 0.25
    assert len(checked(text, Limits())) < 20_000


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_not_even_without_limits_on_what_it_asks_for(text: str) -> None:
    assert seconds(lambda: checked(text, OPEN)) < 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "{ a {" + "s " * n + "}}",
        lambda n: "{ a {" + "me { id name } " * (n // 5) + "}}",
        lambda n: "{ a {" + "...F " * (n // 4) + "}} fragment F on Query { s a { s } }",
    ],
    ids=["fields", "objects", "spreads"],
)
def test_takes_time_in_proportion_to_size(make: Callable[[int], str]) -> None:
    def best(size: int) -> float:
        return seconds(lambda: checked(make(size), OPEN))

    assert best(4_000) < best(1_000) * 4 * 2


WORDS = (
    "... query mutation fragment on F a b s Query User search in Int if true null 1 1.5 - __schema __typename "
    "$v @skip { } ( ) [ ] : ! $ @ = | & # ,"
)
TOKENS = [*WORDS.split(), " ", "\n", '"', '"x"', '"""y"""', "\\u{D800}", "\ufeff"]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(TOKENS)).map(" ".join), st.lists(st.sampled_from(TOKENS)).map("".join)
    )
)
def test_any_text_is_answered(text: str) -> None:
    checked(text, Limits())
    checked(text, OPEN)
