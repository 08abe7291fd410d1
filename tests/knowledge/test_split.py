"""Where texts are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import Invalid
from knowledge import read, split
from knowledge.split import Chunk, SplitSizes
from tests.knowledge import files

GUIDE = """# Birds

Intro to birds.

## Ducks

{ducks}

### Mallards

{mallards}

```
# not a heading
```

## Geese

{geese}
""".format(ducks="Ducks swim. " * 20, mallards="Mallards are green. " * 12, geese="Geese hiss. " * 20)


def cut(text: str, name: str = "a.txt", sizes: SplitSizes = split.SIZES) -> list[Chunk]:
    return split.split(read.plain(text, name), sizes)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.yaml"])
@given(text=st.text(st.sampled_from("ab .\n\n  \t#`-:é世{}"), min_size=1, max_size=3_000))
def test_every_piece_is_where_it_says_it_is(name: str, text: str) -> None:
    if not text.strip():
        return

    lines = text.split("\n")
    for number, chunk in enumerate(cut(text, name, SplitSizes(100, 20))):
        assert chunk.index == number
        assert chunk.text == text[chunk.start : chunk.end]
        assert 0 < len(chunk.text) <= 100
        assert chunk.text.split("\n")[0] in lines[chunk.start_line - 1]
        assert chunk.text.split("\n")[-1] in lines[chunk.end_line - 1]


@pytest.mark.parametrize("name", ["a.txt", "a.py"])
@given(text=st.text(st.sampled_from("ab .\n  \t:é{}"), min_size=1, max_size=2_000))
def test_nothing_that_is_said_gets_lost(name: str, text: str) -> None:
    if not text.strip():
        return

    said: set[int] = set()
    for chunk in cut(text, name, SplitSizes(50, 10)):
        said.update(range(chunk.start, chunk.end))

    assert all(at in said for at, character in enumerate(text) if not character.isspace())


def test_pieces_know_the_headings_above_them() -> None:
    found = [(chunk.text[:12], chunk.headings) for chunk in cut(GUIDE, "a.md", SplitSizes(300, 0))]

    assert found == [
        ("# Birds\n\nInt", ()),
        ("## Ducks\n\nDu", ("Birds",)),
        ("### Mallards", ("Birds", "Ducks")),
        ("## Geese\n\nGe", ("Birds",)),
    ]


def test_a_heading_alone_is_no_piece() -> None:
    text = "# Birds\n\n## Ducks\n\n" + "Ducks swim. " * 50

    found = cut(text, "a.md", SplitSizes(200, 0))

    assert all(chunk.text.startswith(("## Ducks\n", "Ducks swim.")) for chunk in found)
    assert all("Birds" in chunk.headings for chunk in found)
    assert [chunk.text for chunk in cut("# Birds\n\n## Ducks", "a.md")] == ["# Birds\n\n## Ducks"]


def test_a_passage_names_what_it_stands_under_once() -> None:
    document = read.plain(GUIDE, "a.md")
    passages = [split.passage(document, chunk) for chunk in split.split(document, SplitSizes(300, 0))]

    assert passages[0].startswith("# Birds\n\nIntro to birds.")
    assert any(passage.startswith("Birds > Ducks\n\n### Mallards") for passage in passages)


def water(name: str) -> str:
    methods = "\n".join(
        f"    def weight_{n}(self) -> int:\n        total = 0\n        for duck in self.ducks:\n"
        f"            total += duck.weight * {n}\n        return total\n"
        for n in range(9)
    )
    return f"@dataclass(frozen=True)\nclass {name}:\n    ducks: list[Duck]\n\n{methods}"


def test_code_is_cut_where_definitions_begin() -> None:
    source = "from dataclasses import dataclass\n\n\n" + "\n\n".join(map(water, ("Pond", "Lake", "River")))

    found = cut(source, "waters.py", SplitSizes(1_000, 200))

    assert all(len(chunk.text) <= 1_000 for chunk in found)
    assert any(chunk.text.startswith("@dataclass(frozen=True)\nclass Lake") for chunk in found)
    assert any(chunk.headings[:1] == ("class Lake",) for chunk in found)
    assert min(len(chunk.text) for chunk in found) > 200


def test_code_after_a_long_signature_is_inside_of_it() -> None:
    source = "def long(\n    a: int,\n) -> None:\n" + "    work(a)\n" * 60

    assert {chunk.headings for chunk in cut(source, "a.py", SplitSizes(200, 0))} == {(), ("def long",)}


def test_nested_settings_know_the_keys_above_them() -> None:
    text = "server:\n  listen:\n" + "".join(f"    - port: {number}\n" for number in range(40))

    assert cut(text, "a.yaml", SplitSizes(200, 0))[-1].headings == ("server", "listen")


def test_pieces_of_a_pdf_know_their_page() -> None:
    document = read.document_of(files.pdf(*[[f"Page {word} " + "text " * 12] for word in ("one", "two")]), "d.pdf")

    assert [chunk.page for chunk in split.split(document, SplitSizes(80, 0))] == [1, 2]


def test_what_aegis_keeps_with_each_chunk() -> None:
    document = read.document_of(b"import this\n" * 100, "src/app.py")
    found = split.split(document, SplitSizes(600, 0))

    assert split.metadata(document, found[1], len(found)) == {
        "file_name": "app.py",
        "extension": ".py",
        "file_type": "code",
        "language": "python",
        "size_bytes": 1_200,
        "chunk_index": 1,
        "total_chunks": 2,
        "chunk_size": len(found[1].text),
        "start_line": found[1].start_line,
        "end_line": 100,
    }


@pytest.mark.parametrize("text", ["word " * 100_000, "x" * 500_000, "a\n" * 200_000], ids=["line", "word", "lines"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py"])
def test_long_texts_are_cut_whatever_their_shape(name: str, text: str) -> None:
    found = cut(text, name)

    assert found[-1].end >= len(text.rstrip()) - 1
    assert max(len(chunk.text) for chunk in found) <= split.SIZES.size


def test_cutting_again_gives_the_same_pieces() -> None:
    assert cut(GUIDE, "a.md", SplitSizes(200, 50)) == cut(GUIDE, "a.md", SplitSizes(200, 50))


@pytest.mark.parametrize(("size", "overlap", "problem"), [(0, 0, "size must be"), (10, 10, "overlap must be below")])
def test_refuses_sizes_that_lead_nowhere(size: int, overlap: int, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        SplitSizes(size, overlap)
