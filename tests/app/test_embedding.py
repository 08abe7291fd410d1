"""Which embedders the settings lead to."""

import pytest
from pydantic import ValidationError

from app.embedding import chosen_embedders
from app.settings import Settings
from engine.wordllama import WordLlama


def settings(**given: object) -> Settings:
    return Settings.model_validate({f"embedding_{name}": value for name, value in given.items()})


def test_there_is_one_without_any_setting() -> None:
    assert [embedder.name for embedder in chosen_embedders(Settings())] == [WordLlama.name]


def test_the_operators_comes_first_and_the_built_in_one_stays() -> None:
    chosen = chosen_embedders(settings(base_url="https://api.voyageai.com/v1", model="voyage-4", dimension=512))

    assert [(embedder.provider, embedder.name) for embedder in chosen] == [
        ("voyage", "voyage-4@api.voyageai.com:512"),
        ("wordllama", WordLlama.name),
    ]


def test_empty_settings_are_none() -> None:
    assert len(chosen_embedders(settings(base_url="", model="", dimension=""))) == 1


@pytest.mark.parametrize(
    ("base_url", "model", "problem"),
    [
        ("https://api.openai.com/v1", None, "needs PALAVER_EMBEDDING_MODEL beside it"),
        ("localhost:8080", "m", "is not a web address"),
    ],
)
def test_says_at_the_start_what_is_missing(base_url: str, model: str | None, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(base_url=base_url, model=model)
