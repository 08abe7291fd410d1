"""A headless Chromium, driven over the DevTools protocol: what a person does, and what the browser saw meanwhile.

    async with launch() as browser:
        page = await browser.open("http://127.0.0.1:8000/graphiql")
        await page.click("button[type=submit]")
        await page.until("document.title === 'Palaver'")
        assert page.complaints == []

The machine's own Chromium is used (`apt install chromium`); nothing is downloaded.
"""

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any  # the protocol's messages are open JSON

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the sandbox refuses to run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--metrics-recording-only",
    # The network is cut: every name but loopback's is unknown.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "--window-size=1440,900",
)


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(slots=True)
class Page:
    call: Callable[..., Any]
    requests: list[str] = field(default_factory=list)
    """The address of everything the page or one of its workers asked for, sockets included."""
    frames: list[Json] = field(default_factory=list)
    """What the page said over its sockets."""
    complaints: list[str] = field(default_factory=list)
    """Console errors and warnings, exceptions, refused requests, breaches of the content security policy."""

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["exception"].get("description", answer))
        return answer["result"].get("value")

    async def until(self, condition: str, *, seconds: float = 20) -> None:
        """Waits inside the page until the condition holds."""
        held = await self.evaluate(
            f"""new Promise((resolve) => {{
              const end = performance.now() + {seconds * 1000}
              const look = () => (({condition}) ? resolve(true) : performance.now() > end ? resolve(false)
                : setTimeout(look, 10))
              look()
            }})"""
        )
        if not held:
            raise AssertionError(f"Not within {seconds} s: {condition}\nThe page said: {self.complaints}")

    async def click(self, selector: str) -> None:
        await self.until(f"document.querySelector({json.dumps(selector)})")
        x, y = await self.evaluate(
            f"""(() => {{
              const element = document.querySelector({json.dumps(selector)})
              element.scrollIntoView({{block: 'nearest'}})
              const {{x, y, width, height}} = element.getBoundingClientRect()
              // Near its beginning: the middle of something wide may lie under something else.
              return [x + Math.min(width / 2, 40), y + Math.min(height / 2, 10)]
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def write(self, selector: str, text: str) -> None:
        """Into a field, in place of what it held."""
        await self.click(selector)
        await self.evaluate("document.activeElement.select()")
        await self.call("Input.insertText", text=text)

    async def paste(self, selector: str, text: str) -> None:
        """Into an editor, in place of what it held; typing would have it close each bracket by itself."""
        await self.click(selector)
        await self.until("document.activeElement.closest('.monaco-editor.focused')")
        await self._select_all()
        await self.evaluate(
            f"""(() => {{
              const clipboardData = new DataTransfer()
              clipboardData.setData('text/plain', {json.dumps(text)})
              const paste = new ClipboardEvent('paste', {{clipboardData, bubbles: true, cancelable: true}})
              document.activeElement.dispatchEvent(paste)
            }})()"""
        )
        # An editor takes its time with what is pasted.
        shown = f"document.querySelector({json.dumps(selector)}).textContent.replaceAll('\\u00a0', ' ')"
        await self.until(f"{shown} === {json.dumps(text)}")

    async def _select_all(self) -> None:
        key = {"key": "a", "code": "KeyA", "windowsVirtualKeyCode": 65, "modifiers": 2}
        for kind in ("rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, **key)

    def note(self, method: str, facts: Json) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(facts["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(facts["url"])
            case "Network.webSocketFrameSent":
                self.frames.append(json.loads(facts["response"]["payloadData"]))
            case "Runtime.consoleAPICalled" if facts["type"] in ("error", "warning", "assert"):
                words = (str(word.get("value", word.get("description"))) for word in facts["args"])
                self.complaints.append(f"console.{facts['type']}: {' '.join(words)}")
            case "Runtime.exceptionThrown":
                details = facts["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            case "Log.entryAdded" if facts["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{facts['entry']['source']}: {facts['entry']['text']}")


class Browser:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._pages: dict[str, Page] = {}
        self._chores: set[asyncio.Task[Json]] = set()

    async def open(self, url: str, *, dark: bool = False) -> Page:
        target = (await self._call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self._call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(lambda method, **facts: self._call(method, session, **facts))
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await page.call("Emulation.setEmulatedMedia", features=[scheme])
        # Every page believes it is the one in front.
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.call("Page.navigate", url=url)
        return page

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                self._hear(json.loads(text))
        for answer in self._answers.values():
            answer.cancel("the browser is gone")

    def _hear(self, message: Json) -> None:
        if "id" in message:
            if not (answer := self._answers.pop(message["id"])).done():
                answer.set_result(message)
        elif page := self._pages.get(message.get("sessionId", "")):
            self._note(page, message["method"], message["params"])

    def _note(self, page: Page, method: str, facts: Json) -> None:
        if method == "Target.attachedToTarget":
            # A worker of the page: it waits until we watch it as closely as the page.
            session = facts["sessionId"]
            self._pages[session] = page
            for command in ("Network.enable", "Runtime.enable", "Log.enable", "Runtime.runIfWaitingForDebugger"):
                chore = asyncio.ensure_future(self._call(command, session, optional=True))
                self._chores.add(chore)
                chore.add_done_callback(self._chores.discard)
        else:
            page.note(method, facts)

    async def _call(self, method: str, session: str | None = None, *, optional: bool = False, **facts: Any) -> Json:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": facts}
        await self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        outcome = await answer
        # Not every kind of worker knows every domain.
        if "error" in outcome and not optional:
            raise AssertionError(f"{method}: {outcome['error']['message']}")
        result: Json = outcome.get("result", {})
        return result


@contextlib.asynccontextmanager
async def launch() -> AsyncIterator[Browser]:
    program = find_chromium()
    assert program, "There is no Chromium on this machine: apt install chromium."
    with tempfile.TemporaryDirectory(prefix="palaver-chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, *FLAGS, f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(30):
                address = await _address(process)
            drain = asyncio.create_task(_drain(process))
            async with connect(address, max_size=None, ping_interval=None, compression=None) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                yield browser
            await listening
            drain.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    said = b""
    async for line in process.stderr:
        if b"DevTools listening on " in line:
            return line.split()[-1].decode()
        said += line
    raise AssertionError(f"Chromium ended at once: {said.decode(errors='replace')}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """A pipe nobody reads would stop the browser when it is full."""
    assert process.stderr
    while await process.stderr.read(65536):
        pass
