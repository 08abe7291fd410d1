import pytest
from pydantic import SecretStr, ValidationError

from app.model import chosen_model
from app.settings import Environment, Settings


def test_does_not_open_the_keyless_mode_to_the_network() -> None:
    with pytest.raises(ValidationError, match="can be reached from other machines"):
        Settings(host="0.0.0.0")

    assert Settings(host="0.0.0.0", env=Environment.PRODUCTION).host == "0.0.0.0"


def test_empty_variables_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("PALAVER_MODEL_BASE_URL", "")

    assert (Settings().database_url, Settings().uses_embedded_model) == (None, True)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hush@h/d")

    assert "hush" not in repr(Settings(model_api_key=SecretStr("sk-hush")))


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        (Settings(), ()),
        (Settings(ai_enabled=False), ("AI service is disabled",)),
        (Settings(model_base_url="http://127.0.0.1:9/v1", model="m"), ()),
        (
            Settings(model_base_url="https://api.openai.com/v1", model="gpt-4o"),
            ("Missing API key for openai provider. Set PALAVER_MODEL_API_KEY environment variable.",),
        ),
        (
            Settings(model_base_url="http://127.0.0.1:9/v1"),
            ("No model is named. Set PALAVER_MODEL environment variable.",),
        ),
    ],
)
def test_knows_what_is_wrong_with_the_model(settings: Settings, problems: tuple[str, ...]) -> None:
    assert chosen_model(settings).problems == problems
