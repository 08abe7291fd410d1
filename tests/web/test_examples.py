"""The operations GraphiQL offers for the first five minutes are operations of this graph."""

import json
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse, validate

from schema import schema

EXAMPLES = sorted((Path(__file__).parents[2] / "web/graphiql/examples").glob("*.graphql"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_fits_the_graph(path: Path) -> None:
    document = parse(path.read_text())

    assert validate(schema._schema, document) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_has_a_title_a_purpose_and_its_variables(path: Path) -> None:
    lines = path.read_text().splitlines()
    (operation,) = parse(path.read_text()).definitions
    assert isinstance(operation, OperationDefinitionNode)
    variables = path.with_suffix(".json")
    given = json.loads(variables.read_text()) if variables.exists() else {}

    assert [line[:2] for line in lines[:2]] == ["# ", "# "]
    assert operation.name
    assert set(given) <= {definition.variable.name.value for definition in operation.variable_definitions or ()}
