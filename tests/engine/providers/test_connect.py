import pytest

from engine.providers import connect
from engine.providers.openai import OpenAIProvider
from errors import Invalid, NotConfigured


def test_makes_the_provider_of_a_kind() -> None:
    provider = connect("openai", "acme", base_url="http://127.0.0.1:9/v1", key="k")

    assert isinstance(provider, OpenAIProvider)
    assert provider.name == "acme"


def test_knows_no_other_kinds() -> None:
    with pytest.raises(Invalid, match="kind must be one of openai, anthropic, google"):
        connect("telepathy", "acme")


@pytest.mark.parametrize("address", ["acme", "ftp://acme", "http://", "file:///etc/passwd"])
def test_wants_a_web_address(address: str) -> None:
    with pytest.raises(NotConfigured, match="is not a web address"):
        connect("openai", "acme", base_url=address)
