"""Gateways as rows: saved, merged, found again by everyone, and their secrets read by nobody."""

import asyncio
from typing import Any  # Parameters as they are sent are open JSON.
from uuid import UUID, uuid4

import pytest

import models
from domain import collections
from domain.gateways import rows
from domain.gateways.parameters import INTEGRATED, BuiltinFunction, Flag, Parameters
from domain.gateways.rows import Gateways
from domain.gateways.sealing import MASK
from domain.gateways.vetting import Requirements
from domain.identity import Principal
from domain.secrets import Secrets
from engine.guard import Guard
from errors import Conflict, Invalid, NotConfigured, NotFound
from tests.conftest import SECRET_KEY, MakeTalk
from tests.engine.test_guard import NO_ADDRESSES, PRIVATE

HOST = "https://1.1.1.1"
OTHER_HOST = "https://8.8.8.8"
OWN = {"baseAddress": f"{HOST}/v1", "modelName": "their-model", "apiKey": "sk-theirs"}
CATALOGUED = {"baseAddress": INTEGRATED, "modelName": "@openai/gpt-5-mini"}


def source(**members: Any) -> dict[str, Any]:
    return {"name": "docs", "url": f"{HOST}/mcp", "headers": {"Authorization": "Bearer 1"}} | members


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"x": value}
    return value


def function(**members: Any) -> dict[str, Any]:
    return {"name": "weather", "description": "The weather.", "callbackUrl": f"{HOST}/weather"} | members


@pytest.fixture
def gateways() -> Gateways:
    return made()


def made(**options: Any) -> Gateways:
    return Gateways(Guard(), Secrets(lambda: [SECRET_KEY]), **options)


async def opened(gateways: Gateways, principal: Principal, row: models.Gateway) -> Parameters:
    resolved = await gateways.resolve(principal, str(row.id))
    assert resolved is not None
    return resolved.parameters


# ---------------------------------------------------------------- finding


async def test_is_found_by_id_and_by_slug(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "Süd-Support!", CATALOGUED)

    found = [await gateways.resolve(principal, name) for name in (str(row.id), row.id.hex, row.slug, row.slug.upper())]

    assert row.slug == f"sud-support:{row.id.hex[-4:]}"
    assert [each and each.row.id for each in found] == [row.id] * 4


async def test_a_name_without_letters_has_a_slug(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "客服", CATALOGUED)

    assert row.slug == f"gateway:{row.id.hex[-4:]}"


@pytest.mark.parametrize(
    "name", ["gpt-5", "@openai/gpt-5-mini", "qwen:7b", "nothing:beef", str(uuid4()), "", "x" * 9999]
)
async def test_what_is_no_gateway_is_none(gateways: Gateways, principal: Principal, name: str) -> None:
    assert await gateways.resolve(principal, name) is None


async def test_a_strangers_gateway_is_not_there(gateways: Gateways, principal: Principal, stranger: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED)

    assert await gateways.resolve(stranger, str(row.id)) is None
    assert await gateways.resolve(stranger, row.slug) is None
    for attempt in (
        gateways.find(stranger, str(row.id)),
        gateways.update(stranger, str(row.id), name="theirs"),
        gateways.delete(stranger, str(row.id)),
    ):
        with pytest.raises(NotFound):
            await attempt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ["first", "second"]),
        ("FIR", ["first"]),
        ("gpt-5", ["first"]),
        ("econd:", ["second"]),
        ("their-", ["second"]),
        ("%", []),
        ("nothing", []),
    ],
)
async def test_is_filtered(gateways: Gateways, principal: Principal, text: str | None, expected: list[str]) -> None:
    await gateways.create(principal, "first", CATALOGUED)
    await gateways.create(principal, "second", OWN)

    found = await rows.matching(principal, text).order_by("id")

    assert [row.name for row in found] == expected


async def test_is_filtered_by_id(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "first", CATALOGUED)
    await gateways.create(principal, "second", CATALOGUED)

    assert [each.id for each in await rows.matching(principal, str(row.id))] == [row.id]


# ---------------------------------------------------------------- changing


async def test_a_change_touches_what_it_names(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(
        principal,
        "ours",
        CATALOGUED | {"temperature": 1, "flags": ["NO_TEMPERATURE"], "bashOptions": {"toolList": ["a"]}},
    )

    changed = await gateways.update(
        principal, str(row.id), parameters={"topP": 0.5, "bashOptions": {"allowDataPersistence": True}}
    )

    parameters = rows.parameters_of(changed)
    assert (changed.name, changed.slug, changed.revision) == ("ours", row.slug, 2)
    assert (parameters.temperature, parameters.top_p, parameters.flags) == (1, 0.5, (Flag.NO_TEMPERATURE,))
    assert parameters.bash_options is not None
    assert (parameters.bash_options.allow_data_persistence, parameters.bash_options.tool_list) == (True, ())


async def test_null_puts_a_parameter_back(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED | {"temperature": 1, "knowledgeBaseMaximumResults": 16})

    changed = await gateways.update(
        principal, str(row.id), parameters={"temperature": None, "knowledgeBaseMaximumResults": None}
    )

    assert rows.parameters_of(changed) == Parameters(INTEGRATED, "@openai/gpt-5-mini")


async def test_renaming_changes_the_slug(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED)
    old = row.slug

    renamed = await gateways.update(principal, str(row.id), name="Better")

    assert renamed.slug == f"better:{row.id.hex[-4:]}"
    assert await gateways.resolve(principal, old) is None
    assert await gateways.resolve(principal, renamed.slug) is not None


async def test_two_at_once_both_take_effect(gateways: Gateways, principal: Principal) -> None:
    """The slower of two changes begins again with what the faster one left."""
    row = await gateways.create(principal, "ours", CATALOGUED)

    class Slow(Guard):
        async def vet(self, url: str, field: str = "url") -> None:
            if not (await models.Gateway.get(id=row.id)).parameters["temperature"]:
                await gateways.update(principal, str(row.id), parameters={"temperature": 1})

    slow = Gateways(Slow(), Secrets(lambda: [SECRET_KEY]))
    changed = await slow.update(principal, str(row.id), parameters={"workerScriptSource": f"{HOST}/worker"})

    assert rows.parameters_of(changed).temperature == 1
    assert changed.revision == 3


async def test_a_deleted_gateway_is_gone(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED)
    assert await gateways.resolve(principal, row.slug) is not None

    await gateways.delete(principal, str(row.id))

    assert await gateways.resolve(principal, row.slug) is None
    with pytest.raises(NotFound):
        await gateways.delete(principal, str(row.id))


async def test_other_processes_hear_of_changes(process: MakeTalk, principal: Principal) -> None:
    heard = asyncio.Event()

    class Listening(Gateways):
        def forget(self, workspace_id: str) -> None:
            super().forget(workspace_id)
            heard.set()

    here, there = made(), Listening(Guard(), Secrets(lambda: [SECRET_KEY]))
    row = await here.create(principal, "ours", CATALOGUED)
    async with process(caches={rows.CHANGED: there}):
        assert (await opened(there, principal, row)).temperature is None

        await here.update(principal, str(row.id), parameters={"temperature": 2})
        await asyncio.wait_for(heard.wait(), 5)

        assert (await opened(there, principal, row)).temperature == 2


# ---------------------------------------------------------------- secrets

SECRETS = OWN | {
    "mcpSources": [source()],
    "protocolFunctions": [function(headers={"X-Key": "2"})],
    "systemInstructionsSources": [source(headers={"X-Key": "3"})],
}


async def test_secrets_are_kept_sealed_and_read_as_masks(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", SECRETS)

    kept = await models.Gateway.get(id=row.id)
    seen = rows.parameters_of(kept)
    used = await opened(gateways, principal, row)

    assert (seen.api_key, seen.mcp_sources[0].headers) == (MASK, {"Authorization": MASK})
    assert seen.protocol_functions[0].headers == seen.system_instructions_sources[0].headers == {"X-Key": MASK}
    assert (used.api_key, used.mcp_sources[0].headers) == ("sk-theirs", {"Authorization": "Bearer 1"})
    assert used.protocol_functions[0].headers == {"X-Key": "2"}
    assert used.system_instructions_sources[0].headers == {"X-Key": "3"}
    assert "sk-theirs" not in f"{kept.parameters} {kept.secrets}"


async def test_a_mask_that_is_sent_back_keeps_the_secret(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", SECRETS)

    await gateways.update(principal, str(row.id), parameters=dict(row.parameters))

    used = await opened(gateways, principal, row)
    assert (used.api_key, used.mcp_sources[0].headers) == ("sk-theirs", {"Authorization": "Bearer 1"})
    assert used.protocol_functions[0].headers == {"X-Key": "2"}
    assert used.system_instructions_sources[0].headers == {"X-Key": "3"}


async def test_a_mask_follows_its_item(gateways: Gateways, principal: Principal) -> None:
    """By its name while the host stays, or by its address; other headers may come and go beside it."""
    two = [source(), source(name="news", url=f"{HOST}/news", headers={"X-Key": "2", "X-Old": "3"})]
    row = await gateways.create(principal, "ours", CATALOGUED | {"mcpSources": two})

    sent = [
        source(name="renamed", url=f"{HOST}/news", headers={"x-key": MASK, "X-New": "4"}),
        source(url=f"{HOST}/moved", headers={"Authorization": MASK}),
    ]
    await gateways.update(principal, str(row.id), parameters={"mcpSources": sent})

    used = await opened(gateways, principal, row)
    assert [item.headers for item in used.mcp_sources] == [
        {"x-key": "2", "X-New": "4"},
        {"Authorization": "Bearer 1"},
    ]


@pytest.mark.parametrize(
    "sent",
    [
        source(url=f"{OTHER_HOST}/mcp"),
        source(url="https://1.1.1.1:8443/mcp"),
        source(url="http://1.1.1.1/mcp"),
        source(name="another", url=f"{HOST}/another"),
    ],
)
async def test_a_mask_of_nothing_kept_is_refused(
    gateways: Gateways, principal: Principal, sent: dict[str, Any]
) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED | {"mcpSources": [source()]})
    masked = [sent | {"headers": {"Authorization": MASK}}]

    with pytest.raises(Invalid, match=r"^parameters\.mcpSources\[0\]\.headers\.Authorization must be given anew"):
        await gateways.update(principal, str(row.id), parameters={"mcpSources": masked})


async def test_a_mask_that_may_mean_two_is_refused(gateways: Gateways, principal: Principal) -> None:
    two = [source(url=f"{HOST}/a"), source(url=f"{HOST}/b", headers={"Authorization": "Bearer 2"})]
    row = await gateways.create(principal, "ours", CATALOGUED | {"mcpSources": two})

    with pytest.raises(Invalid, match="must be given anew"):
        await gateways.update(
            principal,
            str(row.id),
            parameters={"mcpSources": [source(url=f"{HOST}/c", headers={"Authorization": MASK})]},
        )


async def test_a_mask_is_no_secret(gateways: Gateways, principal: Principal) -> None:
    with pytest.raises(Invalid, match=r"^parameters\.apiKey must be given anew"):
        await gateways.create(principal, "ours", OWN | {"apiKey": MASK})


async def test_a_key_stays_with_its_host(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", OWN)

    same = await gateways.update(principal, str(row.id), parameters={"baseAddress": f"{HOST}:443/v2"})
    assert (await opened(gateways, principal, same)).api_key == "sk-theirs"

    with pytest.raises(Invalid, match=r"^parameters\.apiKey must be given anew"):
        await gateways.update(principal, str(row.id), parameters={"baseAddress": f"{OTHER_HOST}/v1", "apiKey": MASK})
    other = await gateways.update(principal, str(row.id), parameters={"baseAddress": f"{OTHER_HOST}/v1"})
    assert (await opened(gateways, principal, other)).api_key is None


async def test_a_key_that_is_moved_by_hand_opens_nothing(gateways: Gateways, principal: Principal) -> None:
    """Whoever can write to the database alone cannot have a key sent to a host of their own."""
    row = await gateways.create(principal, "ours", OWN)
    moved = row.parameters | {"baseAddress": f"{OTHER_HOST}/v1"}
    await models.Gateway.filter(id=row.id).update(parameters=moved)

    with pytest.raises(NotConfigured, match="saved for another place"):
        await made().resolve(principal, str(row.id))


async def test_secrets_that_do_not_open_can_be_given_anew(gateways: Gateways, principal: Principal) -> None:
    """When the operator has lost the key they were sealed with."""
    row = await gateways.create(principal, "ours", OWN)
    later = Gateways(Guard(), Secrets(lambda: ["B" * 43 + "="]))

    await later.update(principal, str(row.id), name="Renamed")
    with pytest.raises(NotConfigured, match="cannot be opened"):
        await later.update(principal, str(row.id), parameters={"temperature": 1})
    await later.update(principal, str(row.id), parameters={"apiKey": "sk-new"})

    assert (await opened(later, principal, row)).api_key == "sk-new"


async def test_going_to_a_model_of_the_server_leaves_the_key_behind(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", OWN)

    changed = await gateways.update(principal, str(row.id), parameters=CATALOGUED)

    assert (changed.secrets, rows.parameters_of(changed).api_key) == (None, None)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"skills": ["nothing"]}, "parameters.skills[0] must be an id."),
        ({"skills": [str(uuid4())]}, "parameters.skills[0] names no skill of this workspace."),
        ({"knowledgeCollections": [str(uuid4())]}, "parameters.knowledgeCollections[0] names no collection of this"),
        (
            {"protocolFunctions": [function(callbackUrl=f"aivax://query-collection?collection-id={uuid4()}")]},
            "parameters.protocolFunctions[0].callbackUrl names no collection of this workspace.",
        ),
        ({"additionalSettings": {"x": "y" * 1_100_000}}, "parameters must not be larger than 1,048,576 bytes"),
        ({"additionalSettings": nested(5_000)}, "parameters is nested too deeply"),
        ({"systemInstruction": "\ud800"}, "parameters is nested too deeply, or holds half a surrogate pair"),
    ],
    ids=["no id", "no skill", "no collection", "no collection to search", "large", "deep", "half a pair"],
)
async def test_refuses_and_says_what(
    gateways: Gateways, principal: Principal, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await gateways.create(principal, "ours", CATALOGUED | given)

    assert str(caught.value).startswith(complaint)


ADDRESSES: dict[str, Any] = {
    "baseAddress": lambda url: {"baseAddress": url},
    "workerScriptSource": lambda url: {"workerScriptSource": url},
    "protocolFunctionSources[0]": lambda url: {"protocolFunctionSources": [url]},
    "protocolFunctions[0].callbackUrl": lambda url: {"protocolFunctions": [function(callbackUrl=url)]},
    "mcpSources[0].url": lambda url: {"mcpSources": [source(url=url)]},
    "systemInstructionsSources[0].url": lambda url: {"systemInstructionsSources": [source(url=url)]},
}


@pytest.mark.parametrize("field", ADDRESSES)
async def test_addresses_pass_the_guard(gateways: Gateways, principal: Principal, field: str) -> None:
    for url in (*PRIVATE, *NO_ADDRESSES, "http://localhost/"):
        if not url and field == "workerScriptSource":
            continue  # There, an empty text is none.
        with pytest.raises(Invalid) as caught:
            await gateways.create(principal, "ours", CATALOGUED | ADDRESSES[field](url))
        assert caught.value.field == f"parameters.{field}", url


async def test_each_host_is_looked_up_once(principal: Principal) -> None:
    looked: list[str] = []

    class Counting(Guard):
        async def vet(self, url: str, field: str = "url") -> None:
            looked.append(field)

    functions = [function(name=f"function{number}") for number in range(100)]
    wanted = {"protocolFunctions": functions, "mcpSources": [source(), source(name="other", url=f"{OTHER_HOST}/mcp")]}
    await Gateways(Counting(), Secrets(lambda: [SECRET_KEY])).create(principal, "ours", CATALOGUED | wanted)

    assert looked == ["parameters.protocolFunctions[0].callbackUrl", "parameters.mcpSources[1].url"]


async def test_what_is_of_a_stranger_is_none_of_ours(
    gateways: Gateways, principal: Principal, stranger: Principal
) -> None:
    theirs = await collections.create(stranger, "theirs")

    with pytest.raises(Invalid, match=r"knowledgeCollections\[0\] names no collection"):
        await gateways.create(principal, "ours", CATALOGUED | {"knowledgeCollections": [str(theirs.id)]})


async def test_what_has_gone_since_is_kept(gateways: Gateways, principal: Principal) -> None:
    """A gateway that is read and saved again must not fail for what was deleted meanwhile."""
    ours = await collections.create(principal, "ours")
    row = await gateways.create(principal, "ours", CATALOGUED | {"knowledgeCollections": [str(ours.id).upper()]})
    await collections.delete(ours)

    changed = await gateways.update(principal, str(row.id), parameters=row.parameters | {"temperature": 1})

    assert rows.parameters_of(changed).knowledge_collections == (str(ours.id),)


async def test_what_the_machine_lacks_is_told_when_it_is_switched_on(principal: Principal) -> None:
    def missing(function: BuiltinFunction) -> str | None:
        return "there is no provider that searches" if function is BuiltinFunction.WEB_SEARCH else None

    lacking = made(requirements=Requirements(lambda: "bubblewrap is not installed", missing))
    wanted = CATALOGUED | {"enableBash": True}

    with pytest.raises(Invalid, match=r"parameters\.enableBash cannot be switched on here: bubblewrap is not"):
        await lacking.create(principal, "ours", wanted)
    with pytest.raises(Invalid, match=r"enabledFunctions\[1\] cannot work here: there is no provider that searches"):
        await lacking.create(
            principal, "ours", CATALOGUED | {"sentinelOptions": {"enabledFunctions": ["REQUEST", "WEB_SEARCH"]}}
        )
    row = await made().create(principal, "ours", wanted)
    assert rows.parameters_of(await lacking.update(principal, str(row.id), parameters={"topP": 1})).enable_bash


async def test_a_name_is_needed(gateways: Gateways, principal: Principal) -> None:
    with pytest.raises(Invalid, match="name must not be empty"):
        await gateways.create(principal, " ", CATALOGUED)


async def test_a_workspace_has_so_many(
    gateways: Gateways, principal: Principal, stranger: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_GATEWAYS", 1)
    await gateways.create(principal, "first", CATALOGUED)

    with pytest.raises(Conflict, match="at most 1 gateways"):
        await gateways.create(principal, "second", CATALOGUED)
    await gateways.create(stranger, "theirs", CATALOGUED)


async def test_ids_that_end_alike_get_other_slugs(principal: Principal) -> None:
    ids = [UUID(f"01980000-0000-7020-8000-{end}") for end in ("00000000beef", "00000001beef", "00000002cafe")]
    gateways = made(new_id=iter(ids).__next__)

    slugs = [(await gateways.create(principal, "ours", CATALOGUED)).slug for _ in range(2)]

    assert slugs == ["ours:beef", "ours:cafe"]


async def test_is_read_from_the_database_once(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED)
    first = await gateways.resolve(principal, row.slug)

    assert await gateways.resolve(principal, row.slug) is first


async def test_an_unsavable_race_is_a_conflict(gateways: Gateways, principal: Principal) -> None:
    row = await gateways.create(principal, "ours", CATALOGUED)

    class Racing(Guard):
        async def vet(self, url: str, field: str = "url") -> None:
            await gateways.update(principal, str(row.id), name="again")

    with pytest.raises(Conflict, match="changed by others"):
        await Gateways(Racing(), Secrets(lambda: [SECRET_KEY])).update(
            principal, str(row.id), parameters={"workerScriptSource": HOST}
        )
