"""GraphiQL in a real browser without a network: what a person sees, and what the browser had to complain about."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.web.browser import Browser, Page
from tests.web.conftest import Site

EDITOR = ".graphiql-query-editor .view-lines"
RUN = ".graphiql-execute-button"
RESPONSE = "(document.querySelector('.graphiql-response .view-lines')?.textContent ?? '').replaceAll('\\u00a0', ' ')"
ANSWER = "document.querySelector('.palaver-text')?.textContent"
FIGURES = "(document.querySelector('.palaver-figures')?.textContent ?? '')"
SCHEMA_IS_HERE = "document.querySelector('button[aria-label^=\"Re-fetch GraphQL schema\"]')?.disabled === false"


@pytest_asyncio.fixture
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    page = await chromium.open(f"{site.address}/graphiql")
    await page.until(f"document.querySelector({json.dumps(EDITOR)}) && {SCHEMA_IS_HERE}")
    yield page
    await page.call("Page.close")


async def run(page: Page, document: str) -> None:
    await page.paste(EDITOR, document)
    await page.until(f"document.querySelector({json.dumps(RUN)}).ariaLabel.startsWith('Execute')")
    await page.click(RUN)


async def test_runs_a_query(page: Page) -> None:
    await run(page, "{ me { key } }")

    await page.until(f'{RESPONSE}.includes(\'"key": "nobody"\')')
    assert await page.evaluate("document.title") == "Palaver"
    assert page.complaints == []


async def test_streams_an_answer_word_by_word(page: Page, site: Site) -> None:
    await run(page, 'subscription { reply(text: "Hi") { __typename sequence ... on TextAdded { text } } }')

    site.pacer.said.put_nowait("Good ")
    await page.until(f"{ANSWER} === 'Good '")
    site.pacer.said.put_nowait("morning")
    site.pacer.said.put_nowait("!")
    await page.until(f"{ANSWER} === 'Good morning!'")
    site.pacer.said.put_nowait(None)
    await page.until(f"{FIGURES}.startsWith('4 events') && {RESPONSE}.includes('TurnFinished')")

    assert page.complaints == []


async def test_stopping_ends_the_subscription_at_the_server(page: Page, site: Site) -> None:
    await run(page, 'subscription { reply(text: "Hi") { ... on TextAdded { text } } }')
    site.pacer.said.put_nowait("Good ")
    await page.until(f"{ANSWER} === 'Good '")

    await page.click(RUN)

    await site.pacer.left.wait()
    assert page.complaints == []


async def test_stopping_a_query_ends_it_at_the_server(page: Page, site: Site) -> None:
    await run(page, "{ word }")
    await page.until(f"document.querySelector({json.dumps(RUN)}).ariaLabel.startsWith('Stop')")

    await page.click(RUN)

    await site.pacer.left.wait()
    assert page.complaints == []


async def test_puts_together_what_was_deferred(page: Page, site: Site) -> None:
    await run(page, "{ me { key } ... @defer { word } }")
    await page.until(f"{RESPONSE}.includes('nobody')")

    site.pacer.said.put_nowait("late")

    await page.until(f'{RESPONSE}.includes(\'"word": "late"\')')
    assert page.complaints == []


async def test_thousands_of_events_do_not_hold_up_the_page(page: Page, site: Site) -> None:
    for _ in range(3000):
        site.pacer.said.put_nowait("word ")
    site.pacer.said.put_nowait(None)

    await run(page, 'subscription { reply(text: "Hi") { __typename ... on TextAdded { text } } }')

    await page.until(f"{FIGURES}.startsWith('3001 events') && {RESPONSE}.includes('TurnFinished')", seconds=5)
    assert await page.evaluate(f"{ANSWER}.length") == 3000 * len("word ")


async def test_an_answer_stays_with_its_tab(page: Page, site: Site) -> None:
    await run(page, 'subscription { reply(text: "Hi") { ... on TextAdded { text } } }')
    site.pacer.said.put_nowait("Good ")
    await page.until(f"{ANSWER} === 'Good '")

    await page.click("button[aria-label='New tab']")

    await site.pacer.left.wait()
    await page.until("!document.querySelector('.palaver-answer')")


async def test_says_why_a_socket_was_refused(page: Page) -> None:
    await page.write("input[name=key]", "unknown")
    await page.click(".palaver-field button[type=submit]")

    await run(page, 'subscription { reply(text: "Hi") { sequence } }')

    await page.until(f"{RESPONSE}.includes('4403 There is no such key.')")


async def test_the_key_goes_with_queries_and_sockets(page: Page, site: Site) -> None:
    await page.write("input[name=key]", "pk_test")
    await page.click(".palaver-field button[type=submit]")

    await run(page, "{ me { key } }")
    await page.until(f"{RESPONSE}.includes('pk_test')")
    await run(page, 'subscription { reply(text: "Hi") { sequence } }')
    site.pacer.said.put_nowait(None)
    await page.until(f"{FIGURES}.startsWith('1 event ')")

    assert page.frames[0] == {"type": "connection_init", "payload": {"Authorization": "Bearer pk_test"}}


async def test_the_key_lasts_as_long_as_the_tab_unless_remembered(page: Page) -> None:
    await page.write("input[name=key]", "pk_test")
    await page.click(".palaver-field button[type=submit]")
    stored = "[sessionStorage.getItem('palaver.key'), localStorage.getItem('palaver.key')]"

    assert await page.evaluate(stored) == ["pk_test", None]
    await page.click(".palaver-remember input")
    assert await page.evaluate(stored) == [None, "pk_test"]
    await page.click(".palaver-field button[type=button]")
    assert await page.evaluate(stored) == [None, None]


async def test_says_whom_the_server_takes_us_for(page: Page) -> None:
    who = "document.querySelector('.palaver-who')?.textContent"
    await page.until(f"{who} === 'Toys · from this machine'")

    await page.write("input[name=key]", "pk_test")
    await page.click(".palaver-field button[type=submit]")
    await page.until(f"{who} === 'Toys · with a key of kind WSK'")
    await page.write("input[name=key]", "unknown")
    await page.click(".palaver-field button[type=submit]")
    await page.until(f"{who} === 'There is no such key.'")


async def test_asks_no_other_origin_for_anything(page: Page, site: Site) -> None:
    await run(page, 'subscription { reply(text: "Hi") { sequence } }')
    site.pacer.said.put_nowait(None)
    await page.until(f"{FIGURES}.startsWith('1 event ')")
    await page.click("button[aria-label='Show Documentation Explorer']")
    await page.until("document.querySelector('.graphiql-doc-explorer-content')?.textContent.includes('Subscription')")

    ours = (site.address, site.address.replace("http", "ws", 1))
    assert [address for address in page.requests if not address.startswith(ours)] == []
    assert {address.rpartition(".")[2] for address in page.requests} >= {"js", "css", "woff2"}
    assert page.complaints == []


async def test_runs_no_script_that_was_slipped_in(page: Page) -> None:
    await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x: onerror=\"window.slipped = 1\">')")
    await page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'slipped = 1'}))")

    await page.until("document.querySelector('img[onerror]').complete")
    assert await page.evaluate("window.slipped ?? 'nothing'") == "nothing"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


async def test_fills_in_what_the_explorer_ticks(page: Page) -> None:
    await page.paste(EDITOR, "query Who { __typename }")
    await page.click("button[aria-label='Show GraphiQL Explorer']")
    await page.click(".graphiql-explorer-me > span")
    await page.click(".graphiql-explorer-key > span")

    await page.until(f"document.querySelector({json.dumps(EDITOR)}).textContent.includes('key')")
    assert page.complaints == []


async def test_begins_with_an_example_that_can_be_run(page: Page) -> None:
    values = "__MONACO.editor.getModels().map((model) => [model.uri.path.split('-').at(-1), model.getValue()])"
    models = dict(await page.evaluate(values))

    assert "subscription Ask(" in models["operation.graphql"]
    assert json.loads(models["variables.json"])["text"]


async def test_a_second_visit_finds_everything_where_it_was(page: Page, chromium: Browser, site: Site) -> None:
    await page.until("localStorage.getItem('graphiql:tabState')")

    again = await chromium.open(f"{site.address}/graphiql")

    await again.until(f"document.querySelector({json.dumps(EDITOR)})")
    tabs = "[...document.querySelectorAll('.graphiql-tab')].map((tab) => tab.textContent)"
    assert await again.evaluate(tabs) == ["Ask"]


async def test_an_example_goes_on_where_the_last_answer_stopped(page: Page, site: Site) -> None:
    await run(page, 'subscription { reply(text: "Hi") { ... on TextAdded { conversationId: text } } }')
    site.pacer.said.put_nowait("conversation-7")
    site.pacer.said.put_nowait(None)
    await page.until(f"{FIGURES}.startsWith('2 events')")

    await page.click(".palaver-examples li:nth-child(2) button")

    await page.until("document.querySelector('.graphiql-editor-tool').textContent.includes('conversation-7')")


async def test_opens_an_example_in_a_tab_of_its_own(page: Page) -> None:
    await page.click("button[aria-label='New tab']")
    await page.click(".palaver-examples li button")

    title = "document.querySelector('.graphiql-tab-active')?.textContent"
    await page.until(f"{title} && {title} !== '<untitled>'")
    assert page.complaints == []


async def test_a_browser_at_the_graphql_address_lands_here(chromium: Browser, site: Site) -> None:
    page = await chromium.open(f"{site.address}/graphql")

    await page.until(f"document.querySelector({json.dumps(EDITOR)})")
    assert await page.evaluate("location.pathname") == "/graphiql"


async def test_the_start_page_leads_everywhere(chromium: Browser, site: Site) -> None:
    page = await chromium.open(f"{site.address}/")

    await page.until("document.readyState === 'complete'")
    links = await page.evaluate("[...document.links].map((link) => new URL(link.href).pathname)")
    assert {"/graphiql", "/openapi/aegis.json", "/readyz"} <= set(links)
    assert page.complaints == []
