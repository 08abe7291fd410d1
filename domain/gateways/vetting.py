"""What parameters may lead to: addresses, rows of the workspace, and what this machine can do.

Only what is new is looked at. What was there before may have gone since, and is no reason to refuse another change.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any  # Rows of several tables.
from uuid import UUID

from tortoise.queryset import QuerySet

import models
from domain import collections
from domain.gateways.callbacks import is_collection_query, read_collection_query
from domain.gateways.parameters import INTEGRATED, BuiltinFunction, Parameters
from domain.identity import Principal
from engine.guard import Guard
from errors import Invalid

__all__ = ["Requirements", "vet", "vet_addresses"]

_AT_ONCE, _SECONDS = 4, 15.0


def _nothing_is_missing(_: object = None) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Requirements:
    """Why this server cannot do a thing, in a sentence without its end; nothing when it can."""

    bash: Callable[[], str | None] = _nothing_is_missing
    builtin: Callable[[BuiltinFunction], str | None] = _nothing_is_missing


async def vet(
    principal: Principal,
    parameters: Parameters,
    before: Parameters | None,
    *,
    guard: Guard,
    requirements: Requirements,
    path: str = "parameters",
) -> None:
    # The machine may have to try something out.
    await asyncio.to_thread(_check_machine, parameters, before, requirements, path)
    known = {url for url, _ in _addresses(before)} if before else set()
    await vet_addresses(((url, f"{path}.{where}") for url, where in _addresses(parameters) if url not in known), guard)
    had = {id for id, _ in _collection_ids(before)} if before else set()
    wanted = [(id, f"{path}.{where}") for id, where in _collection_ids(parameters) if id not in had]
    await _check_there(wanted, collections.visible_to(principal), "collection")
    had = {UUID(id) for id in before.skills} if before else set()
    wanted = [(id, f"{path}.{where}") for id, where in _ids(parameters.skills, "skills") if id not in had]
    await _check_there(wanted, models.Skill.filter(workspace_id=principal.workspace_id), "skill")


async def vet_addresses(addresses: Iterable[tuple[str, str]], guard: Guard) -> None:
    """Addresses and the fields they stand in. Each host is looked up once, a few at a time: that may take a while.

    A name that leads nowhere in time passes, as it does with the guard itself: it is looked at again when it is used.
    """
    hosts = {guard.check(url, field).netloc: (url, field) for url, field in reversed(list(addresses))}
    few = asyncio.Semaphore(_AT_ONCE)

    async def look(url: str, field: str) -> None:
        async with few:
            await guard.vet(url, field)

    looking = [asyncio.create_task(look(url, field)) for url, field in reversed(hosts.values())]
    try:
        if looking:
            await asyncio.wait(looking, timeout=_SECONDS)
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    for task in looking:
        if not task.cancelled():
            task.result()


def _addresses(parameters: Parameters) -> Iterator[tuple[str, str]]:
    if parameters.base_address != INTEGRATED:
        yield parameters.base_address, "baseAddress"
    if parameters.worker_script_source is not None:
        yield parameters.worker_script_source, "workerScriptSource"
    for number, function in enumerate(parameters.protocol_functions):
        if not is_collection_query(function.callback_url):
            yield function.callback_url, f"protocolFunctions[{number}].callbackUrl"
    for number, url in enumerate(parameters.protocol_function_sources):
        yield url, f"protocolFunctionSources[{number}]"
    for number, source in enumerate(parameters.mcp_sources):
        yield source.url, f"mcpSources[{number}].url"
    for number, source in enumerate(parameters.system_instructions_sources):
        yield source.url, f"systemInstructionsSources[{number}].url"


def _collection_ids(parameters: Parameters) -> Iterator[tuple[UUID, str]]:
    yield from _ids(parameters.knowledge_collections, "knowledgeCollections")
    for number, function in enumerate(parameters.protocol_functions):
        if is_collection_query(function.callback_url):
            where = f"protocolFunctions[{number}].callbackUrl"
            yield UUID(read_collection_query(function.callback_url, where).collection_id), where


def _ids(ids: Iterable[str], where: str) -> Iterator[tuple[UUID, str]]:
    return ((UUID(id), f"{where}[{number}]") for number, id in enumerate(ids))


async def _check_there(wanted: Sequence[tuple[UUID, str]], rows: QuerySet[Any], kind: str) -> None:
    if not wanted:
        return
    found = {row.id for row in await rows.filter(id__in=[id for id, _ in wanted])}
    for id, where in wanted:
        if id not in found:
            raise Invalid(where, f"names no {kind} of this workspace")


def _check_machine(parameters: Parameters, before: Parameters | None, requirements: Requirements, path: str) -> None:
    if parameters.enable_bash and not (before and before.enable_bash) and (reason := requirements.bash()):
        raise Invalid(f"{path}.enableBash", f"cannot be switched on here: {reason}")
    had = _functions(before) if before else ()
    for number, function in enumerate(_functions(parameters)):
        if function not in had and (reason := requirements.builtin(function)):
            raise Invalid(f"{path}.sentinelOptions.enabledFunctions[{number}]", f"cannot work here: {reason}")


def _functions(parameters: Parameters) -> tuple[BuiltinFunction, ...]:
    return parameters.sentinel_options.enabled_functions if parameters.sentinel_options else ()
