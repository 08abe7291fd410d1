"""The tools that this server brings along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import BuiltinFunction, BuiltinOptions
from domain.published import Published
from domain.tools.builtin import code
from domain.tools.builtin.calendar import calendar_tools
from domain.tools.builtin.document import document_tool, web_page_tool
from domain.tools.builtin.images import image_tool
from domain.tools.builtin.memory import memory_tools
from domain.tools.builtin.providers import Endpoint, Endpoints
from domain.tools.builtin.search import web_search_tool
from domain.tools.builtin.web import open_url_tool, request_tool
from engine.guard import Guard
from errors import NotConfigured

__all__ = ["Builtins", "Endpoint", "Endpoints"]


@dataclass(frozen=True, slots=True)
class Builtins:
    guard: Guard
    published: Published = field(default_factory=Published)
    endpoints: Endpoints = field(default_factory=Endpoints)

    def missing(self, function: BuiltinFunction) -> str | None:
        """Why it cannot work here, without the end of its sentence."""
        match function:
            case BuiltinFunction.WEB_SEARCH if self.endpoints.search is None:
                return "searching the web needs a provider, which PALAVER_SEARCH_BASE_URL names"
            case BuiltinFunction.IMAGE_GENERATION if self.endpoints.images is None:
                return "drawing pictures needs a provider, which PALAVER_IMAGE_BASE_URL names"
            case BuiltinFunction.CODE:
                return code.missing()
            case BuiltinFunction.X_POSTS_SEARCH:
                return "searching the posts of X needs a provider of them, and this server knows none"
            case BuiltinFunction.ADVANCED_WEB_USAGE:
                return "using the web like a person needs a provider of browsers, and this server knows none"
        return None

    def tools(self, caller: Caller, function: BuiltinFunction, options: BuiltinOptions) -> list[Tool]:
        """Those that a function stands for. What cannot work here is said, and not left out."""
        if (reason := self.missing(function)) is not None:
            raise NotConfigured(f"This gateway has {_SPOKEN[function]}, which cannot work here: {reason}")
        return _MADE[function](self, caller, options)


def _search(here: Builtins, _: Caller, options: BuiltinOptions) -> list[Tool]:
    assert here.endpoints.search is not None
    return [web_search_tool(here.guard, here.endpoints.search, options)]


def _images(here: Builtins, _: Caller, options: BuiltinOptions) -> list[Tool]:
    assert here.endpoints.images is not None
    return [image_tool(here.guard, here.endpoints.images, here.published, options)]


_MADE: Mapping[BuiltinFunction, Callable[[Builtins, Caller, BuiltinOptions], list[Tool]]] = {
    BuiltinFunction.WEB_SEARCH: _search,
    BuiltinFunction.CODE: lambda here, caller, options: [code.code_tool()],
    BuiltinFunction.OPEN_URL: lambda here, caller, options: [open_url_tool(here.guard)],
    BuiltinFunction.REMEMBER: lambda here, caller, options: memory_tools(caller, options),
    BuiltinFunction.IMAGE_GENERATION: _images,
    BuiltinFunction.GENERATE_DOCUMENT: lambda here, caller, options: [document_tool(here.published)],
    BuiltinFunction.GENERATE_WEB_PAGE: lambda here, caller, options: [web_page_tool(here.published)],
    BuiltinFunction.REQUEST: lambda here, caller, options: [request_tool(here.guard)],
    BuiltinFunction.CALENDAR: lambda here, caller, options: calendar_tools(caller),
}

# As the wire names them.
_SPOKEN: Mapping[BuiltinFunction, str] = {
    each: "".join(word.capitalize() for word in each.value.split("_")) for each in BuiltinFunction
}
