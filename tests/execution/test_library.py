import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema

from execution import Executor, Limits, Refused, Request, Stage
from execution.persisted import read_manifest

SCHEMA = build_schema("type Query { hello: String  rows(first: Int): [Query] }")
HELLO = "{ hello }"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def by_hash(text: str | None, of: str) -> Request:
    return Request(text, extensions={"persistedQuery": {"version": 1, "sha256Hash": digest(of)}})


def refusal(executor: Executor, request: Request) -> tuple[Stage, str]:
    with pytest.raises(Refused) as refused:
        executor.prepare(request)
    return refused.value.stage, str(refused.value)


def test_answers_a_hash_once_it_has_seen_the_text() -> None:
    executor = Executor(SCHEMA)

    assert refusal(executor, by_hash(None, HELLO)) == (Stage.PERSISTED, "PersistedQueryNotFound")
    first = executor.prepare(by_hash(HELLO, HELLO))
    assert executor.prepare(by_hash(None, HELLO)) is first


def test_tells_clients_in_the_words_they_wait_for() -> None:
    with pytest.raises(Refused) as refused:
        Executor(SCHEMA).prepare(by_hash(None, HELLO))

    assert refused.value.errors[0].extensions == {"code": "PERSISTED_QUERY_NOT_FOUND"}


def test_believes_no_hash_that_is_not_the_text_s() -> None:
    executor = Executor(SCHEMA)

    assert refusal(executor, by_hash("{ __typename }", HELLO)) == (Stage.PERSISTED, "PersistedQueryHashMismatch")
    assert refusal(executor, by_hash(None, HELLO)) == (Stage.PERSISTED, "PersistedQueryNotFound")


@pytest.mark.parametrize(
    "text", ["{", "{ nothing }", "query A { hello } query B { hello }", "{ rows(first: 1000) { hello } }"]
)
def test_remembers_no_hash_of_what_it_refused(text: str) -> None:
    executor = Executor(SCHEMA)

    refusal(executor, by_hash(text, text))

    assert refusal(executor, by_hash(None, text)) == (Stage.PERSISTED, "PersistedQueryNotFound")


def test_forgets_hashes_in_time() -> None:
    executor = Executor(SCHEMA, limits=Limits(cached_documents=2))

    for number in range(3):
        executor.prepare(by_hash(f"{{ a{number}: hello }}", f"{{ a{number}: hello }}"))

    assert refusal(executor, by_hash(None, "{ a0: hello }")) == (Stage.PERSISTED, "PersistedQueryNotFound")
    executor.prepare(by_hash(None, "{ a2: hello }"))


@pytest.mark.parametrize("extension", ["abc", {}, {"sha256Hash": 1}, {"version": 2, "sha256Hash": "abc"}, []])
def test_reads_the_extension_with_care(extension: Any) -> None:
    stage, _ = refusal(Executor(SCHEMA), Request(HELLO, extensions={"persistedQuery": extension}))

    assert stage is Stage.REQUEST


def test_needs_some_document() -> None:
    assert refusal(Executor(SCHEMA), Request()) == (Stage.REQUEST, "The request names no document.")


def test_finds_a_trusted_document_by_id_hash_and_text() -> None:
    executor = Executor(SCHEMA, trusted={"greeting": HELLO}, only_trusted=True)

    wanted = executor.prepare(Request(document_id="greeting"))

    assert wanted.trusted
    assert executor.prepare(Request(document_id=digest(HELLO))) is wanted
    assert executor.prepare(Request(document_id=f"sha256:{digest(HELLO)}")) is wanted
    assert executor.prepare(by_hash(None, HELLO)) is wanted
    assert executor.prepare(Request(HELLO)) is wanted


def test_answers_nothing_else_when_told_so() -> None:
    executor = Executor(SCHEMA, trusted={"greeting": HELLO}, only_trusted=True)

    assert refusal(executor, Request("{ __typename }")) == (Stage.PERSISTED, "TrustedDocumentsOnly")
    assert refusal(executor, by_hash("{ __typename }", "{ __typename }"))[0] is Stage.PERSISTED
    assert refusal(executor, Request(document_id="other")) == (Stage.PERSISTED, "PersistedDocumentNotFound")


def test_holds_a_trusted_document_to_the_schema_only() -> None:
    executor = Executor(SCHEMA, limits=Limits(tokens=3, depth=1, aliases=0, cost=1))

    operation = executor.trust("{ a: rows(first: 1000) { rows { hello } } }", "mine")

    assert executor.prepare(Request(document_id="mine")) is operation
    with pytest.raises(Refused, match="nothing"):
        executor.trust("{ nothing }")


def test_trusts_a_text_only_as_it_was_written() -> None:
    executor = Executor(SCHEMA, limits=Limits(aliases=0))
    executor.trust("{ a: hello }")

    assert executor.prepare(Request("{ a: hello }")).trusted
    assert refusal(executor, Request("{ a: hello }\n"))[0] is Stage.LIMIT


APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": "a", "name": "A", "type": "query", "body": HELLO}],
}


@pytest.mark.parametrize("manifest", [APOLLO, {"a": HELLO}, [["a", HELLO]], [{"id": "a", "text": HELLO}]])
def test_reads_manifests_of_other_tools(manifest: Any, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))

    assert read_manifest(path) == {"a": HELLO}


def test_reads_a_folder_of_documents(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "hello.graphql").write_text(HELLO)

    assert read_manifest(tmp_path) == {digest(HELLO): HELLO}


@pytest.mark.parametrize("manifest", [3, [], {}, [3], {"a": 3}, [{"id": "a"}]])
def test_says_when_a_manifest_is_none(manifest: Any, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))

    with pytest.raises(ValueError, match=r"neither a manifest of Apollo or Relay nor a folder of \.graphql files"):
        read_manifest(path)
