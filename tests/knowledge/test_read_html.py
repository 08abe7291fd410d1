"""What a web page says."""

import time

import pytest

from knowledge.read.html import read_html

PAGE = """<!doctype html>
<html><head><title>Ducks &amp; geese</title><style>p { color: red }</style></head>
<body class="has-sidebar">
<header><a href="/">Our site</a></header>
<nav><ul><li><a href="/a">Home</a><li><a href="/b">Shop</a></ul></nav>
<div class="cookie-banner">We value your privacy</div>
<main>
<h1>Ducks <em>and</em> geese</h1>
<p>Ducks   swim.<br>Geese hiss.
<p>Fewer than &lt;3.
<h2>Kinds</h2>
<ul><li>Mallard<ul><li>drake<li>hen</ul><li>Teal</ul>
<ol><li>First<li>Second</ol>
<table><thead><tr><th>Bird<th>Eggs</thead><tr><td>Duck<td>9|10<tr><td>Goose<td>6</table>
<pre><code>def quack():
    return "quack"
</code></pre>
<script>if (a < b && b > c) document.write("<p>never")</script>
</main>
<aside>Buy feathers</aside>
<footer>© Us</footer>
</body></html>"""


def test_tells_a_page_in_markdown() -> None:
    page = read_html(PAGE)

    assert page.title == "Ducks & geese"
    assert page.text == (
        "# Ducks and geese\n\nDucks swim.\nGeese hiss.\n\nFewer than <3.\n\n## Kinds\n\n"
        "- Mallard\n  - drake\n  - hen\n- Teal\n1. First\n2. Second\n\n"
        "| Bird | Eggs |\n| --- | --- |\n| Duck | 9/10 |\n| Goose | 6 |\n\n"
        '```\ndef quack():\n    return "quack"\n```'
    )


def test_leaves_out_runs_of_links_where_no_main_part_is_marked() -> None:
    links = "".join(f"<li><a href=/{number}>Category {number}</a></li>" for number in range(9))
    page = read_html(f"<body><ul>{links}</ul><p>{'The text itself. ' * 20}</p><p>See <a href=x>more</a>.</p>")

    assert page.text == f"{('The text itself. ' * 20).strip()}\n\nSee more."


def test_a_page_that_is_nothing_but_surroundings_is_kept() -> None:
    assert read_html("<nav><a href=/>Home</a></nav><footer>Call 555-1234</footer>").text == "Home\n\nCall 555-1234"


def test_a_table_for_the_looks_is_no_table() -> None:
    page = read_html("<table><tr><td><h1>Title</h1><p>Left</p><table><tr><td>a<td>b</table></td><td>Right</td></table>")

    assert page.text == "# Title\n\nLeft\n\n| a | b |\n| --- | --- |\n\nRight"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a <b>bold<p>b</b> c", "a bold\n\nb c"),
        ("<div><p>a</div></div></main>b", "a\n\nb"),
        ("one <br/> two <unknown>three</unknown>", "one\ntwo three"),
        ("a <!-- <p>never --> b <![CDATA[x]]> c", "a b c"),
        ("1 < 2 and 3 > 2 <3", "1 < 2 and 3 > 2 <3"),
        ("a<img src=x alt='a duck'>b", "a a duck b"),
        ("<p hidden>x</p><p style='display:none'>y</p><p aria-hidden=true>z</p>shown", "shown"),
        ("<textarea><p>x</textarea><svg><text>y</text></svg>shown", "shown"),
        ("<script>never ends", ""),
        ("<a href='x>never ends", "never ends"),
        ("<a href='x never ends", ""),
        ("kept <!-- never ends", "kept"),
        ("", ""),
    ],
)
def test_makes_sense_of_broken_markup(markup: str, text: str) -> None:
    assert read_html(markup).text == text


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 10_000,
        "<b><p>" * 10_000,
        "<table><tr><td>" * 5_000,
        "<li>" * 20_000,
        "<div>" * 100 + "</b>" * 10_000,
        "<b><div>" + "<span>" * 100 + "</b>" * 10_000,
        "<a '" * 60_000,
        "<!--" * 60_000,
        "<" * 200_000,
        "</" * 100_000,
        "&" * 200_000,
        "<title>" * 40_000,
        "<p " + "a=1 " * 60_000 + ">",
    ],
    ids=lambda markup: markup[:12],
)
def test_time_grows_with_the_page_and_not_faster(markup: str) -> None:
    """Four times the page may take little more than four times as long; with the square it would be sixteen."""
    once, four_times = _seconds(markup), _seconds(markup * 4)

    assert four_times < once * 10 + 0.2


def _seconds(markup: str) -> float:
    started = time.process_time()
    read_html(markup)
    return time.process_time() - started
