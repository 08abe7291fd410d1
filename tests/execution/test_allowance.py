import pytest

from errors import LimitReached
from execution.allowance import Allowance


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def allowance(clock: Clock, owners: int = 10) -> Allowance:
    return Allowance(lambda context: context, most=10, per_second=2, owners=owners, clock=clock)


def test_is_used_up_and_comes_back() -> None:
    clock = Clock()
    spend = allowance(clock)
    spend("me", 8)

    with pytest.raises(LimitReached) as refused:
        spend("me", 5)
    assert refused.value.retry_after_seconds == 1.5

    clock.now += 1.5
    spend("me", 5)


def test_never_holds_more_than_the_most() -> None:
    clock = Clock()
    spend = allowance(clock)
    spend("me", 1)
    clock.now += 1_000

    spend("me", 10)
    with pytest.raises(LimitReached):
        spend("me", 1)


def test_each_has_their_own() -> None:
    spend = allowance(Clock())
    spend("me", 10)

    spend("you", 10)


def test_what_costs_more_than_all_takes_all() -> None:
    spend = allowance(Clock())

    spend("me", 1_000)

    with pytest.raises(LimitReached):
        spend("me", 1)


def test_nobody_pays_for_what_has_no_owner() -> None:
    spend = allowance(Clock())

    spend(None, 1_000)
    spend(None, 1_000)


def test_forgets_whom_it_has_not_seen_for_long() -> None:
    spend = allowance(Clock(), owners=1)
    spend("me", 10)
    spend("you", 10)

    spend("me", 10)
