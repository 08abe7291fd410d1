import pytest
from cryptography.fernet import Fernet

from domain.secrets import Secrets
from errors import NotConfigured

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_opens_what_it_sealed() -> None:
    secrets = Secrets(lambda: [NEW])

    sealed = secrets.seal("sk-ключ", "workspace", "row")

    assert "sk" not in sealed
    assert secrets.open(sealed, "workspace", "row") == "sk-ключ"


def test_the_same_is_never_sealed_alike() -> None:
    secrets = Secrets(lambda: [NEW])

    assert secrets.seal("x", "row") != secrets.seal("x", "row")


@pytest.mark.parametrize(
    "place", [("workspace", "another"), ("another", "row"), ("workspacerow",), ("work", "spacerow")]
)
def test_is_worth_nothing_in_another_place(place: tuple[str, ...]) -> None:
    secrets = Secrets(lambda: [NEW])
    sealed = secrets.seal("x", "workspace", "row")

    with pytest.raises(NotConfigured, match="another place"):
        secrets.open(sealed, *place)


def test_an_older_key_opens_and_the_first_one_seals() -> None:
    sealed = Secrets(lambda: [OLD]).seal("x", "row")
    both = Secrets(lambda: [NEW, OLD])

    assert both.open(sealed, "row") == "x"
    assert Secrets(lambda: [NEW]).open(both.seal("y", "row"), "row") == "y"


@pytest.mark.parametrize("spoil", [lambda text: text[:-8] + "AAAAAAA=", lambda text: "", lambda text: "nonsense"])
def test_what_was_tampered_with_does_not_open(spoil: object) -> None:
    secrets = Secrets(lambda: [NEW])
    sealed = secrets.seal("x", "row")

    with pytest.raises(NotConfigured):
        secrets.open(spoil(sealed), "row")  # type: ignore[operator]  # one of the functions above


def test_keys_are_read_when_first_needed() -> None:
    read: list[str] = []

    def keys() -> list[str]:
        read.append("once")
        return [NEW]

    secrets = Secrets(keys)
    assert read == []
    secrets.open(secrets.seal("x"))

    assert read == ["once"]
