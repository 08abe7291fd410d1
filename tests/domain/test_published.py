import os
import time
from pathlib import Path

import pytest

from domain.published import Published
from errors import LimitReached, NotConfigured, NotFound


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path, "https://palaver.example.com/")


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


async def test_a_file_has_a_link(published: Published) -> None:
    link = await published.save(b"%PDF", "application/pdf", "report.pdf")

    found = await published.find(token_of(link))

    assert link.startswith("https://palaver.example.com/api/v1/public/ext-res/file/")
    assert len(token_of(link)) >= 32
    assert (found.content, found.media_type, found.filename) == (b"%PDF", "application/pdf", None)


async def test_a_page_has_no_origin_of_ours(published: Published) -> None:
    link = await published.save(b"<script>fetch('/')</script>", "text/html", "page.html")

    policy = (await published.find(token_of(link))).headers["content-security-policy"]

    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


async def test_anything_else_is_saved_and_not_shown(published: Published) -> None:
    link = await published.save(b"<svg/>", "image/svg+xml", "drawing.svg")

    assert (await published.find(token_of(link))).filename == "drawing.svg"


@pytest.mark.parametrize("token", ["", "x", "../secret", "\0", "ä" * 30, "x" * 10_000])
async def test_other_links_lead_nowhere(published: Published, token: str) -> None:
    with pytest.raises(NotFound):
        await published.find(token)


async def test_who_sees_the_folder_has_no_link(published: Published, tmp_path: Path) -> None:
    link = await published.save(b"secret", "text/html", "page.html")

    assert token_of(link) not in str(list(tmp_path.rglob("*")))


async def test_links_expire(published: Published, tmp_path: Path) -> None:
    old = token_of(await published.save(b"old", "text/html", "old.html"))
    new = token_of(await published.save(b"new", "text/html", "new.html"))
    (path,) = [path for path in tmp_path.glob("*/*") if path.read_bytes().endswith(b"old")]
    os.utime(path, (time.time() - 1, time.time() - 1))

    with pytest.raises(NotFound):
        await published.find(old)
    await published.forget_expired()
    assert not path.exists()
    assert (await published.find(new)).content == b"new"


async def test_there_is_room_for_so_much(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.published._MOST_BYTES", 1_000)
    monkeypatch.setattr("domain.published._MOST_BYTES_EACH", 700)
    await published.save(b"x" * 600, "text/html", "page.html")

    with pytest.raises(LimitReached):
        await published.save(b"x" * 600, "text/html", "page.html")
    with pytest.raises(LimitReached):
        await published.save(b"x" * 701, "text/html", "page.html")


async def test_without_a_folder_there_is_nothing() -> None:
    with pytest.raises(NotConfigured):
        await Published().save(b"", "text/html", "page.html")
    with pytest.raises(NotFound):
        await Published().find("x")
