from dataclasses import replace
from uuid import uuid4

import pytest

from domain.calling import Caller
from domain.gateways.parameters import Parameters, RemoteSource
from domain.skills import Skill
from domain.tools import Nonces, RemoteTexts
from domain.tools.skills import SkillSet
from engine.chat import ChatRequest, Message, Tool
from engine.guard import Guard
from errors import SourceFailed, ToolFailed
from tests.domain.tools.listening import Server


def skill(
    slug: str,
    instructions: str = "…",
    description: str | None = None,
    *,
    sources: tuple[RemoteSource, ...] = (),
    allowed_tools: tuple[str, ...] = (),
) -> Skill:
    return Skill(uuid4(), slug, instructions, description, sources, allowed_tools)


LETTERS = skill("Letters", "Write letters.", "When a letter is wanted.", allowed_tools=("send",))
SUMS = skill("sums", "Do sums.")
TOOLS = tuple(Tool(name) for name in ("send", "forecast", "clock", "shell", "read_skill"))
ASKED = ChatRequest(model="acme", messages=(Message.system("Be kind."), Message.user("Hi")), tools=TOOLS)


def skill_set(
    guard: Guard, nonces: Nonces, caller: Caller, *skills: Skill, hides: bool = False, visible: tuple[str, ...] = ()
) -> SkillSet:
    parameters = Parameters("@integrated", "acme", hide_tools_without_skill=hides, always_visible_tools=visible)
    return SkillSet(skills, parameters, RemoteTexts(guard, nonces), caller)


async def read(made: SkillSet, *slugs: str) -> str:
    assert made.tool is not None
    return str(await made.tool.run({"slugs": list(slugs)}))


def told(made: SkillSet) -> str:
    return made.before_round(ASKED, 1).messages[0].text


async def test_lists_what_there_is(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS, SUMS)

    assert made.index is not None
    assert made.index.splitlines()[1:] == ["- Letters: When a letter is wanted.", "- sums"]
    assert made.before_round(ASKED, 0) is ASKED


async def test_without_skills_there_is_nothing_to_read(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller)

    assert (made.index, made.tool, made.before_round(ASKED, 0)) == (None, None, ASKED)


async def test_a_loaded_skill_is_told(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS, SUMS)

    answer = await read(made, "letters")

    assert answer == "Active now: Letters."
    assert told(made) == 'Be kind.\n\n<activated_skill slug="Letters">\nWrite letters.\n</activated_skill>'
    # The conversation itself stays as it is.
    assert ASKED.messages[0].text == "Be kind."


async def test_a_later_call_replaces_what_was_active(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS, SUMS)
    await read(made, "letters")

    answer = await read(made, "SUMS", "cooking")

    assert answer == "Active now: sums. There is no skill cooking."
    assert "Do sums." in told(made)
    assert "letters" not in told(made)


async def test_knows_no_other_skills(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS)
    assert made.tool is not None

    with pytest.raises(ToolFailed, match="knows no skill cooking"):
        await read(made, "cooking")
    with pytest.raises(ToolFailed, match="wrong arguments"):
        await made.tool.run({"slugs": "letters"})


async def test_fetches_what_belongs_to_a_skill(guard: Guard, nonces: Nonces, caller: Caller, server: Server) -> None:
    server.says("/tone", "Be formal.")
    source = RemoteSource("Tone", f"{server.url}/tone", headers={"token": "x"})
    made = skill_set(guard, nonces, caller, skill("letters", "Write letters.", sources=(source,)))

    await read(made, "letters")
    await read(made, "letters")

    assert "Write letters.\n\nBe formal.\n</activated_skill>" in told(made)
    assert [seen.headers["token"] for seen in server.seen] == ["x"]

    server.says("/tone", status=404)
    broken = RemoteSource("Rules", f"{server.url}/rules")
    with pytest.raises(SourceFailed, match="Rules"):
        await read(skill_set(guard, nonces, caller, skill("x", "…", sources=(broken,))), "x")


async def test_a_skill_brings_its_tools_to_light(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS, SUMS, hides=True, visible=("clock",))

    def seen() -> list[str]:
        return [tool.name for tool in made.before_round(ASKED, 0).tools]

    assert seen() == ["clock", "shell", "read_skill"]
    await read(made, "letters")
    assert seen() == ["send", "clock", "shell", "read_skill"]
    await read(made, "sums")
    assert seen() == ["clock", "shell", "read_skill"]


async def test_nothing_hidden_has_to_be_called(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    made = skill_set(guard, nonces, caller, LETTERS, hides=True, visible=("clock",))
    choices = [{"type": "function", "function": {"name": name}} for name in ("clock", "send")]

    kept, dropped = [made.before_round(replace(ASKED, tool_choice=choice), 0).tool_choice for choice in choices]

    assert (kept, dropped) == (choices[0], None)
