"""Skills as rows: what may be written, who finds them, and many of them at once."""

import asyncio
from pathlib import Path
from typing import Any  # Lines are open JSON.
from uuid import uuid4

import orjson
import pytest

import models
from domain import skills, skills_import
from domain.gateways.sealing import MASK
from domain.identity import Principal
from domain.secrets import Secrets
from domain.skills import Skill, Skills
from engine.guard import Guard
from errors import Conflict, Invalid, NotFound
from tests.conftest import SECRET_KEY, MakeTalk
from tests.engine.test_guard import NO_ADDRESSES, PRIVATE

HOST = "https://1.1.1.1"
TRANSLATOR = {"slug": "Translator", "instructions": "Translate what the user says."}


def source(**members: Any) -> dict[str, Any]:
    return {"name": "terms", "url": f"{HOST}/terms", "headers": {"X-Key": "1"}} | members


@pytest.fixture
def rules() -> Skills:
    return Skills(Guard(), Secrets(lambda: [SECRET_KEY]))


async def opened(rules: Skills, principal: Principal, row: models.Skill) -> Skill:
    [found] = await rules.by_ids(principal, [str(row.id)])
    return found


async def imported(rules: Skills, principal: Principal, path: Path, *lines: Any) -> skills_import.ImportedSkills:
    path /= "skills.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
    return await skills_import.import_skills(rules, principal, path)


async def lines_of(principal: Principal) -> list[dict[str, Any]]:
    content = skills_import.export(principal).content
    assert not isinstance(content, bytes)
    return [orjson.loads(line) for lot in [lot async for lot in content] for line in lot.splitlines()]


# ---------------------------------------------------------------- one at a time


async def test_is_opened_for_who_answers(rules: Skills, principal: Principal) -> None:
    made = await rules.create(principal, TRANSLATOR | {"sources": [source()], "allowedTools": ["web_search"]})

    skill = await opened(rules, principal, made)

    assert (skill.slug, skill.allowed_tools) == ("Translator", ("web_search",))
    assert skill.sources[0].headers == {"X-Key": "1"}
    assert skills.sources_of(await models.Skill.get(id=made.id))[0].headers == {"X-Key": MASK}


async def test_those_that_are_gone_are_left_out(rules: Skills, principal: Principal, stranger: Principal) -> None:
    made = await rules.create(principal, TRANSLATOR)
    ids = [str(uuid4()), str(made.id), "nothing", str(made.id)]

    assert [each.id for each in await rules.by_ids(principal, ids)] == [made.id]
    assert await rules.by_ids(stranger, ids) == []


async def test_a_change_touches_what_it_names(rules: Skills, principal: Principal) -> None:
    made = await rules.create(principal, TRANSLATOR | {"description": "For texts.", "sources": [source()]})
    masked = [source(headers={"x-key": MASK}, url=f"{HOST}/other")]

    await rules.update(principal, str(made.id), {"slug": "translator", "sources": masked})
    await rules.update(principal, str(made.id), {"description": None})

    skill = await opened(rules, principal, made)
    assert (skill.slug, skill.instructions, skill.description) == ("translator", TRANSLATOR["instructions"], None)
    assert skill.sources[0].headers == {"x-key": "1"}


@pytest.mark.parametrize("slug", ["Translator", "TRANSLATOR"])
async def test_a_slug_is_used_once(rules: Skills, principal: Principal, stranger: Principal, slug: str) -> None:
    await rules.create(principal, TRANSLATOR)
    await rules.create(stranger, TRANSLATOR)
    other = await rules.create(principal, TRANSLATOR | {"slug": "other"})

    with pytest.raises(Invalid, match=f"slug must be another than '{slug}'"):
        await rules.create(principal, TRANSLATOR | {"slug": slug})
    with pytest.raises(Invalid, match=f"slug must be another than '{slug}'"):
        await rules.update(principal, str(other.id), {"slug": slug})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"slug": ""}, "slug must have between 1 and 64 letters"),
        ({"slug": "a b"}, "slug must have between 1 and 64 letters"),
        ({"slug": "ü"}, "slug must have between 1 and 64 letters"),
        ({"slug": "x" * 65}, "slug must have between 1 and 64 letters"),
        ({"slug": None}, "slug must be given"),
        ({"instructions": " "}, "instructions must not be empty"),
        ({"instructions": "x" * 200_001}, "instructions must not be longer than 200,000 characters"),
        ({"instructions": "\0"}, "The skill must not contain the character U+0000"),
        ({"description": "x" * 2_001}, "description must not be longer than 2,000 characters"),
        ({"allowedTools": [""]}, "allowedTools[0] must have between 1 and 256 characters"),
        ({"sources": [source(name="")]}, "sources[0].name must not be empty"),
        ({"sources": [source(headers={"X-Key": MASK})]}, "sources[0].headers.X-Key must be given anew"),
        ({"sources": [source()] * 17}, "sources must not have more than 16 items"),
    ],
    ids=lambda value: str(value)[:40].replace("\0", "nul"),
)
async def test_refuses_and_says_what(
    rules: Skills, principal: Principal, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await rules.create(principal, TRANSLATOR | given)

    assert str(caught.value).startswith(complaint)


async def test_addresses_pass_the_guard(rules: Skills, principal: Principal) -> None:
    for url in (*PRIVATE, *NO_ADDRESSES, "http://localhost/"):
        with pytest.raises(Invalid, match=r"^sources\[0\]\.url"):
            await rules.create(principal, TRANSLATOR | {"sources": [source(url=url)]})


async def test_a_strangers_skill_is_not_there(rules: Skills, principal: Principal, stranger: Principal) -> None:
    made = await rules.create(principal, TRANSLATOR)

    for attempt in (
        rules.find(stranger, str(made.id)),
        rules.update(stranger, str(made.id), {"slug": "theirs"}),
        rules.delete(stranger, str(made.id)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await rules.clear(stranger) == 0
    assert (await rules.find(principal, str(made.id))).slug == "Translator"


async def test_deleting_is_heard_by_others(process: MakeTalk, rules: Skills, principal: Principal) -> None:
    heard = asyncio.Event()

    class Listening(Skills):
        def forget(self, workspace_id: str) -> None:
            super().forget(workspace_id)
            heard.set()

    there = Listening(Guard(), Secrets(lambda: [SECRET_KEY]))
    made = await rules.create(principal, TRANSLATOR)
    async with process(caches={skills.CHANGED: there}):
        assert await there.by_ids(principal, [str(made.id)])

        await rules.delete(principal, str(made.id))
        await asyncio.wait_for(heard.wait(), 5)

        assert await there.by_ids(principal, [str(made.id)]) == []


async def test_a_workspace_has_so_many(
    rules: Skills, principal: Principal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(skills, "MOST_SKILLS", 1)
    monkeypatch.setattr(skills_import, "MOST_SKILLS", 1)
    await rules.create(principal, TRANSLATOR)

    with pytest.raises(Conflict, match="at most 1 skills"):
        await rules.create(principal, TRANSLATOR | {"slug": "other"})
    result = await imported(rules, principal, tmp_path, TRANSLATOR | {"slug": "other"}, TRANSLATOR)

    assert (result.enqueued, result.skipped) == (1, 1)
    assert result.problems == ["line 1: a workspace has at most 1 skills."]


# ---------------------------------------------------------------- many at once


async def test_a_line_replaces_the_skill_of_its_slug(rules: Skills, principal: Principal, tmp_path: Path) -> None:
    """Options are kept where the line has none, and replaced as a whole where it has some."""
    first = await rules.create(
        principal, TRANSLATOR | {"description": "Old.", "sources": [source()], "allowedTools": ["a"]}
    )
    second = await rules.create(principal, TRANSLATOR | {"slug": "second", "allowedTools": ["a"]})

    result = await imported(
        rules,
        principal,
        tmp_path,
        {"slug": "TRANSLATOR", "instructions": "New."},
        {"slug": "second", "instructions": "New.", "options": {"allowedToolsNames": ["b"]}},
        {"slug": "third", "instructions": "New.", "description": "More."},
        {"slug": "third", "instructions": "Newer."},
    )

    assert (result.enqueued, result.skipped, result.problems) == (4, 0, [])
    kept, replaced = await opened(rules, principal, first), await opened(rules, principal, second)
    assert (kept.slug, kept.instructions, kept.description, kept.allowed_tools) == ("TRANSLATOR", "New.", None, ("a",))
    assert kept.sources[0].headers == {"X-Key": "1"}
    assert (replaced.allowed_tools, replaced.sources) == (("b",), ())
    assert (await skills.visible_to(principal).get(slug="third")).instructions == "Newer."


async def test_bad_lines_are_skipped_and_counted(rules: Skills, principal: Principal, tmp_path: Path) -> None:
    result = await imported(
        rules,
        principal,
        tmp_path,
        b"\xef\xbb\xbf" + orjson.dumps(TRANSLATOR),
        b"{",
        b"",
        [],
        {"slug": "x"},
        {"slug": "y", "instructions": "Y.", "options": 1},
        {"slug": "z", "instructions": "\0"},
        {"slug": "u", "instructions": "U.", "options": {"instructionSources": [source(url="http://127.0.0.1/")]}},
        b'"' + b"x" * 2_000_000 + b'"',
        {"slug": "good", "instructions": "Good."},
    )

    assert (result.enqueued, result.skipped) == (2, 7)
    assert result.problems == [
        "line 2: is not JSON.",
        "line 4: is not a JSON object.",
        "line 5: instructions must be given.",
        "line 6: has options that are no object.",
        "line 7: The skill must not contain the character U+0000.",
    ]


async def test_what_is_exported_can_be_imported(rules: Skills, principal: Principal, tmp_path: Path) -> None:
    made = await rules.create(principal, TRANSLATOR | {"sources": [source()], "allowedTools": ["a"]})
    await rules.create(principal, TRANSLATOR | {"slug": "plain"})
    lines = await lines_of(principal)

    result = await imported(rules, principal, tmp_path, *lines)

    assert lines[1] == {
        "slug": "plain",
        "description": None,
        "instructions": TRANSLATOR["instructions"],
        "options": {"instructionSources": [], "allowedToolsNames": []},
    }
    assert lines[0]["options"]["instructionSources"][0]["headers"] == {"X-Key": MASK}
    assert (result.enqueued, result.skipped) == (2, 0)
    assert (await opened(rules, principal, made)).sources[0].headers == {"X-Key": "1"}


async def test_is_exported_in_lots(
    rules: Skills, principal: Principal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(skills_import, "_ROWS_AT_ONCE", 2)
    slugs = [f"s{number}" for number in range(5)]
    await imported(rules, principal, tmp_path, *(TRANSLATOR | {"slug": slug} for slug in slugs))

    assert [line["slug"] for line in await lines_of(principal)] == slugs
