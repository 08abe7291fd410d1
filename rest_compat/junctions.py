"""One route with the operations that answer it, and the choice between them by `when:`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any  # Request values are open JSON.

from errors import Invalid
from rest_compat.admission import kinds_for
from rest_compat.answers import Answer, Prepared
from rest_compat.compiler import Endpoint
from rest_compat.conditions import Equals, Said, Test
from rest_compat.dialect import Dialect
from rest_compat.incoming import MISSING, Incoming, Wants
from rest_compat.vocabulary import Place, Source

__all__ = ["Branch", "Junction"]

_WANTS = {Place.BODY: Wants.JSON, Place.PART: Wants.FORM, Place.RAW: Wants.FILE}


@dataclass(frozen=True, slots=True)
class Branch:
    prepared: Prepared
    answer: Answer


class Junction:
    def __init__(self, dialect: Dialect, branches: Sequence[Branch]) -> None:
        self.dialect = dialect
        # The most particular first; the one without `when:` takes what is left.
        self._branches = sorted(branches, key=lambda branch: -len(_tests(branch.prepared.endpoint)))
        endpoints = [branch.prepared.endpoint for branch in self._branches]
        self.parameters = endpoints[0].parameters
        self.key_kinds = kinds_for(dialect.key_kinds, endpoints[0].path)
        self.wants = _wanted(endpoints)
        self._conditional = any(endpoint.condition for endpoint in endpoints)
        self._tests: dict[str, list[Test]] = {}
        for endpoint in endpoints:
            for key, tests in _tests(endpoint).items():
                self._tests.setdefault(key, []).extend(tests)
        self._sources = {key: tuple(_sources(key, endpoints)) for key in self._tests}

    def choose(self, incoming: Incoming) -> Branch:
        if not self._conditional:
            return self._branches[0]
        given = {key: self._given(key, incoming) for key in self._tests}
        for branch in self._branches:
            condition = branch.prepared.endpoint.condition
            if condition is None or condition.holds(given.get):
                return branch
        key, tests = next(iter(self._tests.items()))
        raise Invalid(key, f"must be {' or '.join(map(str, tests))}")

    def _given(self, key: str, incoming: Incoming) -> Any:
        for source in self._sources[key]:
            value = incoming.find(source)
            if value is not MISSING:
                break
        else:
            return None
        if isinstance(value, str) and source.place is not Place.BODY:
            value = Said(value)
        if value is not None and all(
            isinstance(test, Equals) and isinstance(test.value, bool) for test in self._tests[key]
        ):
            _check_truth(key, value)
        return value


def _check_truth(key: str, value: Any) -> None:
    """What is compared with true or false has to be one of them, or a request meant one way is answered in another."""
    if not isinstance(value, bool) and not (isinstance(value, Said) and value.lower() in ("true", "false")):
        raise Invalid(key, "must be true or false")


def _tests(endpoint: Endpoint) -> dict[str, tuple[Test, ...]]:
    return dict(endpoint.condition.tests) if endpoint.condition else {}


def _sources(key: str, endpoints: Sequence[Endpoint]) -> Iterator[Source]:
    for endpoint in endpoints:
        for binding in endpoint.bindings:
            if binding.variable == key:
                yield from binding.sources
                return
    yield from (Source(Place.BODY, key), Source(Place.PART, key), Source(Place.QUERY, key))


def _wanted(endpoints: Sequence[Endpoint]) -> Wants:
    places = {source.place for each in endpoints for binding in each.bindings for source in binding.sources}
    for place, wants in _WANTS.items():
        if place in places:
            return wants
    told_apart = any(each.condition for each in endpoints) and endpoints[0].method not in ("GET", "DELETE")
    return Wants.JSON if told_apart else Wants.NOTHING
