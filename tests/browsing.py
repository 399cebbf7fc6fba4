"""The playground in a real browser, and what it says to its server and hears from it.

Chromium is Debian's (deploy/install-test-packages.sh), or what ANYTIME_TEST_CHROMIUM names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

PATIENCE_MS = 60_000
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# The socket lives in a worker, whose frames the browser's tools do not tell: what worker and page say is kept.
_SPY = """
window.spied = { told: [], heard: [] };
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => spied.heard.push({ state: data.state, event: data.event }));
  }
  postMessage(message) {
    spied.told.push(message);
    super.postMessage(message);
  }
};
"""
_HEARD = """([kinds, id]) => spied.heard
  .map(({ event }) => event)
  .filter((event) => event && (!kinds.length || kinds.includes(event.type)) && (id === null || event.id === id))"""
_ENDINGS = ("completed", "error")
# Through a canvas of its own, since the browser warns of pages that often read theirs.
_PIXELS = """canvas => {
  const { width, height } = canvas;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return Array.from(new Uint32Array(context.getImageData(0, 0, width, height).data.buffer));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    found = os.environ.get("ANYTIME_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    expect.set_options(timeout=PATIENCE_MS)
    assert found, "no Chromium: sh deploy/install-test-packages.sh, or set ANYTIME_TEST_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Playground:
    """A page with the playground of a server.

    Attributes:
        complaints: errors and warnings that the browser has written to its console.
        requests: every address that anything in the page has asked for.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, model: str | None = None, view: str = "") -> None:
        """Load the page, wait until it is connected, choose a model and a seed to be kept."""
        self.page.goto(f"{self.url}/{view}")
        self.connected()
        if model is not None:
            self.page.select_option("#model", model)
        self.page.fill("#seed", "7")

    def connected(self) -> None:
        """Wait until the socket is open."""
        expect(self["#connection"]).to_have_attribute("data-state", "open", timeout=PATIENCE_MS)

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def deadline(self, key: str, times: int = 1) -> None:
        """Move the slider by a key."""
        self["#deadline"].focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def more(self, **fields: object) -> None:
        """Fill in fields that are folded away."""
        if self["#request details"].get_attribute("open") is None:
            self["#request summary"].click()
        for name, value in fields.items():
            self.page.fill(f"#{name}", str(value))

    def generate(self) -> str:
        """Ask for a sample; the id of the request. Others may follow it at once, for the pictures of its prefixes."""
        before = len(self.sent())
        self["#generate"].click()
        found: str = self.sent()[before]["id"]
        return found

    def sent(self, kind: str = "generate") -> list[dict[str, Any]]:
        """The messages of this type that were sent to the server."""
        told = self.page.evaluate("spied.told")
        messages = [json.loads(each["send"]) for each in told if "send" in each]
        return [each for each in messages if each["type"] == kind]

    def last_id(self) -> str:
        """The id of the request that was sent last."""
        found: str = self.sent()[-1]["id"]
        return found

    def events(self, request: str, *kinds: str) -> list[dict[str, Any]]:
        """What the server has said of a request."""
        return self.heard(*kinds, of=request)

    def ending(self, request: str) -> dict[str, Any]:
        """Wait for the end of a request."""
        self.until(lambda: self.events(request, *_ENDINGS))
        (found,) = self.events(request, *_ENDINGS)
        return found

    def endings(self) -> list[dict[str, Any]]:
        """Wait for the end of every request that was sent."""
        ids = [each["id"] for each in self.sent()]
        self.until(lambda: len(ids) == len(self.heard(*_ENDINGS)))
        ended = {each["id"]: each for each in self.heard(*_ENDINGS)}
        return [ended[each] for each in ids]

    def heard(self, *kinds: str, of: str | None = None) -> list[dict[str, Any]]:
        """What the server has said, of these kinds or of all, of one request or of all.

        Chosen by the page: thousands of previews with all of their codes take longer to hand over than to make.
        """
        found: list[dict[str, Any]] = self.page.evaluate(_HEARD, [list(kinds), of])
        return found

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        for _ in range(PATIENCE_MS // 20):
            if condition():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"it never came; the page says: {self['#notice'].inner_text()!r}")

    def previewed(self, request: str, times: int) -> None:
        """Wait until so many previews of a request have come."""
        count = f"({_HEARD})({json.dumps([['preview'], request])}).length"
        self.until(lambda: self.page.evaluate(count) >= times or self.events(request, *_ENDINGS))
        assert self.events(request, *_ENDINGS) == []

    def codes_shown(self) -> int:
        """Of the picture on the canvas."""
        return int(self["#picture"].get_attribute("data-codes") or 0)

    def pixels(self, selector: str) -> list[int]:
        """Everything on a canvas."""
        found: list[int] = self[selector].evaluate(_PIXELS)
        return found

    def colours(self, selector: str) -> int:
        """How many colours are on a canvas: 1 if nothing is to be seen."""
        return len(set(self.pixels(selector)))

    def check(self) -> None:
        """Nothing was asked of anybody but the server, and the browser has nothing to complain of."""
        sockets = [each["open"][0] for each in self.page.evaluate("spied.told") if "open" in each]
        assert sockets, "the spy has seen no socket"
        self.check_requests(sockets)

    def check_requests(self, more: list[str] | None = None) -> None:
        """The same of a page without a socket."""
        everything = [*self.requests, *(more or [])]
        hosts = {urlsplit(address).netloc for address in everything if not address.startswith(("blob:", "data:"))}
        assert hosts == {urlsplit(self.url).netloc}
        assert self.complaints == []


@contextmanager
def playground(browser: Browser, url: str, **options: Any) -> Iterator[Playground]:
    """A new page; `options` are those of a browser context. Checks it in the end."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    try:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_SPY)
        shown = Playground(context.new_page(), url)
        listen(context, shown)
        yield shown
        shown.check()
    finally:
        context.close()


def listen(context: BrowserContext, shown: Playground) -> None:
    """Keep what a page asks for, and what the browser complains of."""

    def asked(request: Request) -> None:
        shown.requests.append(request.url)

    def failed(error: Error) -> None:
        shown.complaints.append(str(error))

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            shown.complaints.append(f"{message.type}: {message.text}")

    context.on("request", asked)
    shown.page.on("pageerror", failed)
    shown.page.on("console", said)


def milliseconds(text: str) -> float:
    """What `time` of words.js has written."""
    match = re.search(r"([\d.]+)\s(ms|s)\b", text)
    assert match, text
    return float(match[1]) * (1000 if match[2] == "s" else 1)
