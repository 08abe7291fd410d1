"""The operations GraphiQL offers for the first five minutes are operations of this graph."""

import json
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse, validate

from schema import schema
from tests.web.browser import Browser

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


async def test_each_runs_after_the_one_before(chromium: Browser, platform: str) -> None:
    """In a browser, against the whole platform, the way a person goes down the list."""
    page = await chromium.open(f"{platform}/graphiql")
    response = "__MONACO.editor.getModels().find(({uri}) => uri.path.endsWith('response.json')).getValue()"
    button = "document.querySelector('.graphiql-execute-button')"
    await page.until(f"document.querySelector('.palaver-examples li') && window.__MONACO && {button}")

    answers = {}
    for number, path in enumerate(EXAMPLES, 1):
        await page.click(f".palaver-examples li:nth-child({number}) button")
        await page.until(f"document.querySelector('.graphiql-tab-active').textContent.startsWith('{name_in(path)}')")
        await page.click(".graphiql-execute-button")
        await page.until(f"{response} && {button}.ariaLabel.startsWith('Execute')")
        answers[path.stem] = json.loads(await page.evaluate(response))

    assert {stem: answer["errors"] for stem, answer in answers.items() if "errors" in answer} == {}
    assert answers["01-ask"]["data"]["reply"]["turn"]["status"] == "COMPLETED"
    assert answers["04-follow-a-turn"]["data"]["turn"]["turn"]["status"] == "COMPLETED"
    assert answers["05-ask-and-wait"]["data"]["reply"]["answer"]["text"] == "Short waves scatter most."
    assert answers["06-list-conversations"]["data"]["conversations"]["totalCount"] == 3
    assert answers["13-ask-a-gateway"]["data"]["reply"]["turn"]["status"] == "COMPLETED"
    assert page.complaints == []


def name_in(path: Path) -> str:
    (operation,) = parse(path.read_text()).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name
    return operation.name.value
