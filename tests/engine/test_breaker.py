"""Leaving alone who fails, by a clock of our own."""

import pytest

from engine.breaker import Breaker, Circuit, Tolerance


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Circuit]:
    return []


@pytest.fixture
def breaker(clock: Clock, told: list[Circuit]) -> Breaker:
    return Breaker(Tolerance(failures_in_a_row=3, rest_seconds=10, longest_rest_seconds=30), clock, told.append)


def opened(breaker: Breaker) -> Breaker:
    for _ in range(3):
        breaker.failed(telling=breaker.begin())
    return breaker


def test_some_failures_in_a_row_open_it(breaker: Breaker, told: list[Circuit]) -> None:
    breaker.failed(telling=False)
    breaker.failed(telling=False)
    breaker.succeeded()
    breaker.failed(telling=False)
    breaker.failed(telling=False)
    assert breaker.wait_seconds() == 0

    breaker.failed(telling=False)

    assert breaker.wait_seconds() == 10
    assert told == [Circuit.OPEN]


def test_one_call_tells_and_the_others_wait(breaker: Breaker, clock: Clock, told: list[Circuit]) -> None:
    opened(breaker)
    clock.now += 10
    assert breaker.wait_seconds() == 0

    assert breaker.begin()
    assert breaker.wait_seconds() == 1
    breaker.succeeded()

    assert breaker.wait_seconds() == 0
    assert not breaker.begin()
    assert told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_each_try_that_fails_doubles_the_rest(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    rests = []
    for _ in range(3):
        clock.now += breaker.wait_seconds()
        breaker.failed(telling=breaker.begin())
        rests.append(breaker.wait_seconds())

    assert rests == [20, 30, 30]


def test_a_success_forgets_how_long_the_rest_was(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.failed(telling=breaker.begin())
    clock.now += 20
    breaker.begin()
    breaker.succeeded()

    assert opened(breaker).wait_seconds() == 10


def test_calls_from_before_do_not_prolong_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 4

    breaker.failed(telling=False)

    assert breaker.wait_seconds() == 6


def test_a_call_that_was_left_tells_nothing(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.begin()

    breaker.left()

    assert breaker.wait_seconds() == 0
    assert breaker.begin()


def test_who_is_gone_is_not_told_of(breaker: Breaker, told: list[Circuit]) -> None:
    opened(breaker).retire()
    breaker.failed(telling=False)
    opened(breaker)

    assert told == [Circuit.OPEN, Circuit.CLOSED]
