"""Documented exchanges as files: what is asked, and exactly what must come back.

    {
      "about": "one line, when the name of the file is not enough",
      "given": {...},                                   for the caller to arrange, such as a script
      "before": [
        {"request": {...}, "keep": {"chat": "conversation_id"}},
        {"request": {...}, "until": {"state": "Indexed", "<...>": true}}   asked again until the answer is like this
      ],
      "request": {"method": "GET", "path": "/ai/conversations/{chat}", "query": {}, "headers": {}, "json": {}},
      "response": {"status": 200, "headers": {"content-type": "application/json"}, "json": {...}}
    }

A request has at most one of `json`, `text` (sent as it is), `form` (url-encoded) and `parts` (multipart: a text, or an
object with `filename`, `type` and `content`). A response has one of `json`, `text`, `lines` (JSON lines) and `events`
(server-sent: `{"event": name, "data": ..., "id": ..., "repeat": true}`, where `repeat` stands for one or more alike and
`data` may be the text `[DONE]`), or none when it is empty. `keep` takes values out of an answer by a dotted path; they
stand for `{name}` in everything sent and expected later.

Where a value is not known beforehand a word in angle brackets tells its kind: see `KINDS`. `{"<...>": true}` in an
object allows members beside those named, and `["<each>", x]` is a list of any length of which every item is x.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any  # JSON is open by nature.
from uuid import UUID

import httpx

_PATIENCE_SECONDS = 20

__all__ = ["Exchange", "difference", "found_in", "play", "read_events"]


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "<any>": lambda value: True,
    "<uuid>": _is_uuid,
    "<datetime>": _is_time,
    "<date>": lambda value: isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)),
    "<string>": lambda value: isinstance(value, str),
    "<text>": lambda value: isinstance(value, str) and bool(value),
    "<integer>": _is_integer,
    "<number>": lambda value: _is_integer(value) or isinstance(value, float),
    "<boolean>": lambda value: isinstance(value, bool),
    "<object>": lambda value: isinstance(value, dict),
    "<list>": lambda value: isinstance(value, list),
    "<string or null>": lambda value: value is None or isinstance(value, str),
    "<number or null>": lambda value: value is None or _is_integer(value) or isinstance(value, float),
    "<datetime or null>": lambda value: value is None or _is_time(value),
}


@dataclass(frozen=True)
class Exchange:
    name: str
    about: str
    given: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...]
    request: Mapping[str, Any]
    response: Mapping[str, Any]

    @property
    def route(self) -> tuple[str, str]:
        """Method and path as sent, for a test that every endpoint has an exchange."""
        return self.request["method"], self.request["path"]


def found_in(folder: Path) -> list[Exchange]:
    return [_read(file, folder) for file in sorted(folder.rglob("*.json"))]


def _read(file: Path, folder: Path) -> Exchange:
    content = json.loads(file.read_text("utf-8"))
    name = str(file.relative_to(folder).with_suffix(""))
    given, before = content.get("given", {}), tuple(content.get("before", ()))
    return Exchange(name, content.get("about", ""), given, before, content["request"], content["response"])


async def play(exchange: Exchange, client: httpx.AsyncClient, known: Mapping[str, Any] | None = None) -> None:
    """Asks, and asserts that the answer is the documented one. What is `known` stands for its name as what is kept."""
    kept = dict(known or {})
    for step in exchange.before:
        answer = await _take(step, kept, client)
        assert answer.is_success, f"{exchange.name}: a step before answered {answer.status_code} {answer.text}"
        for name, path in step.get("keep", {}).items():
            kept[name] = _at(answer.json(), path)
    answer = await _send(_filled(exchange.request, kept), client)
    expected = _filled(exchange.response, kept)
    problems = [*_head_differences(expected, answer), *_body_differences(expected, answer)]
    assert not problems, f"{exchange.name}:\n" + "\n".join(problems) + f"\n\nanswered:\n{answer.text}"


async def _take(step: Mapping[str, Any], kept: Mapping[str, Any], client: httpx.AsyncClient) -> httpx.Response:
    answer = await _send(_filled(step["request"], kept), client)
    if "until" in step:
        wanted = _filled(step["until"], kept)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while answer.is_success and difference(wanted, answer.json()):
                answer = await _send(_filled(step["request"], kept), client)
    return answer


async def _send(request: Mapping[str, Any], client: httpx.AsyncClient) -> httpx.Response:
    parts = request.get("parts")
    headers = dict(request.get("headers", {}))
    if "text" in request:
        headers.setdefault("content-type", "application/json")
    return await client.request(
        request["method"],
        request["path"],
        params=request.get("query"),
        headers=headers,
        json=request.get("json"),
        content=request.get("text"),
        data=request.get("form"),
        files=parts and {name: _part(part) for name, part in parts.items()},
    )


def _part(part: Any) -> tuple[str | None, str] | tuple[str, str, str]:
    if isinstance(part, str):
        return (None, part)
    return (part["filename"], part["content"], part.get("type", "application/octet-stream"))


def _filled(value: Any, kept: Mapping[str, Any]) -> Any:
    match value:
        case str():
            if (whole := re.fullmatch(r"\{(\w+)\}", value)) and whole[1] in kept:
                return kept[whole[1]]
            return re.sub(r"\{(\w+)\}", lambda match: str(kept.get(match[1], match[0])), value)
        case dict():
            return {key: _filled(item, kept) for key, item in value.items()}
        case list():
            return [_filled(item, kept) for item in value]
        case _:
            return value


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


# -------------------------------------------------------------------- comparing


def _head_differences(expected: Mapping[str, Any], answer: httpx.Response) -> list[str]:
    problems = []
    if answer.status_code != expected.get("status", 200):
        problems.append(f"status: {answer.status_code} instead of {expected.get('status', 200)}")
    for name, value in expected.get("headers", {}).items():
        found = answer.headers.get(name)
        if value is None and found is not None:
            problems.append(f"header {name}: {found!r} should not be there")
        elif value is not None and (found is None or difference(value, found)):
            problems.append(f"header {name}: {found!r} instead of {value!r}")
    return problems


def _body_differences(expected: Mapping[str, Any], answer: httpx.Response) -> list[str]:
    if "json" in expected:
        return difference(expected["json"], _parsed(answer.text), "body")
    if "lines" in expected:
        return difference(expected["lines"], [json.loads(line) for line in answer.text.splitlines()], "lines")
    if "events" in expected:
        return _event_differences(expected["events"], read_events(answer.text))
    if "text" in expected:
        return difference(expected["text"], answer.text, "body")
    return [] if not answer.content else [f"body: {answer.text!r} instead of nothing"]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return f"not JSON: {text!r}"


def _event_differences(expected: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[str]:
    rest = list(events)
    for place, pattern in enumerate(expected):
        wanted = {key: value for key, value in pattern.items() if key != "repeat"}
        problems = difference(wanted, rest[0], f"event {place}") if rest else [f"event {place}: missing {wanted}"]
        if problems:
            return problems
        rest.pop(0)
        while pattern.get("repeat") and rest and not difference(wanted, rest[0]):
            rest.pop(0)
    return [f"too many events: {rest}"] if rest else []


def read_events(text: str) -> list[dict[str, Any]]:
    """Server-sent events as dictionaries with the fields they have; comments are passed over."""
    events = []
    for block in re.split(r"\r?\n\r?\n", text):
        event: dict[str, Any] = {}
        for line in block.splitlines():
            field, _, value = line.partition(": ")
            if field in ("event", "id", "data"):
                assert field not in event, f"two {field} lines in one event: {block!r}"
                event[field] = _data(value) if field == "data" else value
        if event:
            events.append(event)
    return events


def _data(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def difference(expected: Any, found: Any, where: str = "it") -> list[str]:
    """Every place where what was found is not what was expected."""
    if isinstance(expected, str) and expected in KINDS:
        return [] if KINDS[expected](found) else [f"{where}: {found!r} is not {expected}"]
    match expected, found:
        case dict(), dict():
            return _object_difference(expected, found, where)
        case ["<each>", item], list():
            return [each for place, value in enumerate(found) for each in difference(item, value, f"{where}[{place}]")]
        case list(), list():
            if len(expected) != len(found):
                return [f"{where}: {len(found)} items instead of {len(expected)}"]
            pairs = enumerate(zip(expected, found, strict=True))
            return [each for place, pair in pairs for each in difference(*pair, f"{where}[{place}]")]
        case _:
            same = expected == found and isinstance(expected, bool) is isinstance(found, bool)
            return [] if same else [f"{where}: {found!r} instead of {expected!r}"]


def _object_difference(expected: dict[str, Any], found: dict[str, Any], where: str) -> list[str]:
    named = {key: value for key, value in expected.items() if key != "<...>"}
    problems = [f"{where}.{key}: missing" for key in named.keys() - found.keys()]
    if "<...>" not in expected:
        problems += [f"{where}.{key}: should not be there" for key in found.keys() - named.keys()]
    for key in named.keys() & found.keys():
        problems += difference(named[key], found[key], f"{where}.{key}")
    return sorted(problems)
