"""Skills: instructions that a model loads when it needs them, and the tools they bring to light."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any  # Tool arguments are open JSON.

from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import Parameters
from domain.skills import Skill
from domain.tools.arguments import check
from domain.tools.remote import RemoteTexts
from domain.tools.together import together
from engine.chat import ChatRequest, Message, Role
from errors import ToolFailed

__all__ = ["READ_SKILL", "SkillSet"]

READ_SKILL, _SHELL = "read_skill", "shell"
_RESERVED = frozenset({READ_SKILL, _SHELL})
_MOST_AT_ONCE = 16

_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "slugs": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": _MOST_AT_ONCE,
            "description": "Which skills to load. Those that were loaded before and are not named are put away.",
        }
    },
    "required": ["slugs"],
}


class SkillSet:
    """The skills of one answer: which there are, and which of them are active by now."""

    def __init__(self, skills: Sequence[Skill], parameters: Parameters, remote: RemoteTexts, caller: Caller) -> None:
        self._skills = {skill.slug.lower(): skill for skill in skills}
        self._parameters, self._remote, self._caller = parameters, remote, caller
        self._active: list[tuple[Skill, str]] = []

    @property
    def index(self) -> str | None:
        """What the model is told of skills before it has loaded any."""
        if not self._skills:
            return None
        listed = "\n".join(
            f"- {skill.slug}: {skill.description}" if skill.description else f"- {skill.slug}"
            for skill in self._skills.values()
        )
        return f"You have skills. Before you do what one of them is for, load it with the tool {READ_SKILL}:\n{listed}"

    @property
    def tool(self) -> Tool | None:
        if not self._skills:
            return None
        return Tool(READ_SKILL, "Loads the instructions of skills, by their slugs.", _PARAMETERS, self._read)

    def before_round(self, request: ChatRequest, asked_before: int) -> ChatRequest:
        """With the instructions of what is active, and without the tools that only other skills bring to light."""
        if self._active:
            request = _told(request, "\n\n".join(text for _, text in self._active))
        if not self._parameters.hide_tools_without_skill:
            return request
        visible = _RESERVED.union(
            self._parameters.always_visible_tools, *(skill.allowed_tools for skill, _ in self._active)
        )
        tools = tuple(tool for tool in request.tools if tool.name in visible)
        hidden = {tool.name for tool in request.tools} - visible
        choice = None if not tools or _chosen(request) in hidden else request.tool_choice
        return replace(request, tools=tools, tool_choice=choice)

    async def _read(self, arguments: Mapping[str, Any]) -> str:
        await check(READ_SKILL, _PARAMETERS, arguments)
        wanted = list(dict.fromkeys(slug.lower() for slug in arguments["slugs"]))
        found = [self._skills[slug] for slug in wanted if slug in self._skills]
        unknown = [slug for slug in wanted if slug not in self._skills]
        if not found:
            raise ToolFailed(READ_SKILL, f"knows no skill {', '.join(unknown)}")
        texts = await together([self._text(skill) for skill in found])
        self._active = list(zip(found, texts, strict=True))
        named = ", ".join(skill.slug for skill in found)
        return f"Active now: {named}." + (f" There is no skill {', '.join(unknown)}." if unknown else "")

    async def _text(self, skill: Skill) -> str:
        sources = await self._remote.of(self._caller, skill.sources)
        said = "\n\n".join([skill.instructions, *(source.text for source in sources)])
        return f'<activated_skill slug="{skill.slug}">\n{said}\n</activated_skill>'


def _told(request: ChatRequest, text: str) -> ChatRequest:
    messages = request.messages
    if messages and messages[0].role is Role.SYSTEM:
        first = replace(messages[0], parts=(*messages[0].parts, f"\n\n{text}"))
        return replace(request, messages=(first, *messages[1:]))
    return replace(request, messages=(Message.system(text), *messages))


def _chosen(request: ChatRequest) -> str | None:
    """The tool that the model has to call, when there is one."""
    function = request.tool_choice.get("function") if isinstance(request.tool_choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None
