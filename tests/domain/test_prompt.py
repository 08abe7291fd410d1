import models
from domain.agents import AgentSpec, Knowledge, Sampling
from domain.turns.prompt import gather
from engine import Message

ANSWERED: list[models.Part] = [{"type": "reasoning", "text": "Ten?"}, {"type": "text", "text": "At ten."}]


def said(role: str, text: str, parts: list[models.Part] | None = None) -> models.Message:
    return models.Message(role=role, text=text, parts=parts or [{"type": "text", "text": text}])


HISTORY = [said("user", "When?"), said("assistant", "At ten.", ANSWERED)]


def spec(window: int = 1_000, knowledge: Knowledge | None = None) -> AgentSpec:
    model = models.Model(name="scripted-1", vendor="Scripted", context_window=window)
    return AgentSpec(model, "scripted", "Be brief.", Sampling(0.5, 50), knowledge=knowledge)


def test_the_question_follows_what_was_said() -> None:
    request = gather(spec(), HISTORY, "Sure?")

    assert request.messages == (
        Message.system("Be brief."),
        Message.user("When?"),
        Message.assistant("At ten."),
        Message.user("Sure?"),
    )
    assert (request.temperature, request.max_tokens) == (0.5, 50)


def test_what_was_thought_is_told_when_it_is_wanted() -> None:
    answer = gather(spec(), HISTORY, "Sure?", with_reasoning=True).messages[2]

    assert (answer.text, answer.extra) == ("At ten.", {"reasoning_content": "Ten?"})


def test_what_does_not_fit_is_forgotten_and_the_question_never() -> None:
    long = [said("user", "x" * 800), said("assistant", "y" * 800), *HISTORY]

    assert [m.text for m in gather(spec(256), long, "Sure?").messages] == ["Be brief.", "When?", "At ten.", "Sure?"]
    assert [m.text for m in gather(spec(256), [], "z" * 9_000).messages] == ["Be brief.", "z" * 9_000]


def test_half_of_the_room_is_for_what_is_looked_up() -> None:
    long = [said("user", "x" * 300), said("assistant", "y" * 300)]

    assert len(gather(spec(256), long, "Sure?").messages) == 4
    assert len(gather(spec(256, Knowledge(("1",))), long, "Sure?").messages) == 2
