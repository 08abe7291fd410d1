"""What was read lately: bounded in number, size and age, and never older than a change."""

from uuid import UUID

from domain.recent import Recent

HERE, THERE = UUID(int=1), UUID(int=2)


def put(recent: Recent[str], workspace_id: UUID, name: str, *, size: int = 1) -> None:
    recent.put(workspace_id, name, name.upper(), size=size, since=recent.changes)


def values(recent: Recent[str], *names: str, of: UUID = HERE) -> list[str | None]:
    return [known.value if (known := recent.get(of, name)) else None for name in names]


def test_keeps_the_latest_used() -> None:
    recent = Recent[str](keep=2)
    put(recent, HERE, "a")
    put(recent, HERE, "b")
    recent.get(HERE, "a")
    put(recent, HERE, "c")

    assert values(recent, "a", "b", "c") == ["A", None, "C"]


def test_keeps_no_more_than_so_many_bytes() -> None:
    recent = Recent[str](keep_bytes=10)
    put(recent, HERE, "a", size=6)
    put(recent, HERE, "b", size=4)
    put(recent, HERE, "b", size=5)
    put(recent, HERE, "c", size=11)

    assert values(recent, "a", "b", "c") == [None, "B", None]


def test_forgets_what_has_changed_in_one_workspace() -> None:
    recent = Recent[str]()
    put(recent, HERE, "a")
    put(recent, THERE, "a")
    recent.forget(HERE)

    assert (values(recent, "a"), values(recent, "a", of=THERE)) == ([None], ["A"])
    recent.forget_all()
    assert values(recent, "a", of=THERE) == [None]


def test_does_not_keep_what_changed_while_it_was_read() -> None:
    recent = Recent[str]()
    since = recent.changes
    recent.forget(HERE)
    recent.put(HERE, "a", "A", size=1, since=since)

    assert values(recent, "a") == [None]


def test_does_not_keep_for_ever() -> None:
    """Should a notice of a change ever be lost."""
    now = [0.0]
    recent = Recent[str](fresh_seconds=60, clock=lambda: now[0])
    put(recent, HERE, "a")
    now[0] = 59.9
    young = values(recent, "a")
    now[0] = 60.0

    assert (young, values(recent, "a")) == (["A"], [None])
