"""OpenAPI 3.1 of a dialect, printed from the same values that answer its requests."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any  # OpenAPI documents are open JSON.

from rest_compat.compiler import Endpoint
from rest_compat.dialect import Dialect
from rest_compat.openapi_answers import Answers
from rest_compat.openapi_requests import body_of, parameters_of
from rest_compat.schemas import Schemas

__all__ = ["openapi", "routes"]

Json = dict[str, Any]


def routes(endpoints: Iterable[Endpoint]) -> list[str]:
    """The compiled table, a line for each endpoint: method, path, API, operation."""
    return [f"{each.method:<7}{each.path}  {each.api}  {each.name}" for each in endpoints]


def openapi(dialect: Dialect, endpoints: Sequence[Endpoint]) -> Json:
    sharing: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        sharing.setdefault((endpoint.path, endpoint.method), []).append(endpoint)
    schemas = Schemas(dialect.spell, dialect.scalars)
    answers = Answers(dialect, schemas)
    paths: dict[str, Json] = {}
    for (path, method), together in sorted(sharing.items(), key=lambda item: item[0]):
        paths.setdefault(path, {})[method.lower()] = _operation(together, dialect, schemas, answers)
    components: Json = {"schemas": dict(sorted((schemas.components | answers.error_components).items()))}
    if dialect.security:
        components["securitySchemes"] = dict(dialect.security)
    return {
        "openapi": "3.1.0",
        "info": _info(dialect),
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in dialect.security],
        "tags": [{"name": tag, "description": tag.capitalize()} for tag in sorted({_tag(each) for each in endpoints})],
        "paths": paths,
        "components": components,
    }


def _info(dialect: Dialect) -> Json:
    title = dialect.title or dialect.name
    return {
        "title": title,
        "version": dialect.version,
        "description": dialect.description or f"The endpoints of {title}.",
        "contact": {"name": "Whoever runs this server"},
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }


def _operation(together: Sequence[Endpoint], dialect: Dialect, schemas: Schemas, answers: Answers) -> Json:
    first = together[0]
    operation: Json = {
        "operationId": first.name,
        "tags": [_tag(first)],
        "summary": _summary(first),
        "description": "\n\n".join(each.description or f"{_summary(each)}." for each in together),
    }
    if parameters := parameters_of(together, schemas):
        operation["parameters"] = parameters
    if body := body_of(together, schemas):
        operation["requestBody"] = body
    operation["responses"] = answers.of(together)
    if dialect.security and dialect.key_parameters & set(first.parameters):
        operation["security"] = []
    # The way to migrate is part of the documentation.
    operation["x-graphql-operation"] = "\n\n".join(_shown(each) for each in together)
    return operation


def _tag(endpoint: Endpoint) -> str:
    """The feature: what the document is called."""
    return PurePath(endpoint.place.rpartition(":")[0]).stem.replace("_", " ")


def _summary(endpoint: Endpoint) -> str:
    first = endpoint.description.strip().partition(". ")[0]
    if first:
        return first.split("\n")[0].removesuffix(".")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", endpoint.name).split()
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _shown(endpoint: Endpoint) -> str:
    if endpoint.condition is None:
        return endpoint.document
    tests = (f"{key} is {' or '.join(map(str, tests))}" for key, tests in endpoint.condition.tests.items())
    return f"# When {' and '.join(tests)}\n{endpoint.document}"
