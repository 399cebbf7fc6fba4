"""The server goes away and comes back; it asks for a key."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from browsing import playground
from fake_pool import FakePool, app_over, manifest, result
from keyed import KeyFile
from live_thread import live_in_thread
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from server_process import running_server

from service.registry import Catalogue
from service.settings import Settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_the_server_goes_away_and_comes_back(browser: Browser, tiny_bundle: Path, tmp_path: Path) -> None:
    port = ("--port", str(free_port()))
    with running_server(tiny_bundle, tmp_path, *port) as first, playground(browser, first.url) as page:
        page.open()
        page["#request summary"].click()
        page["#slow"].uncheck()
        page.deadline("End")
        page.ending(page.generate())
        expect(page["#picture"]).to_have_attribute("data-codes", "6")
        assert first.terminate() == 0
        expect(page["#connection"]).to_have_attribute("data-state", "waiting")
        expect(page["#notice"]).to_contain_text("The server does not answer")
        assert page.codes_shown() == 6  # what is there stays
        page["#generate"].click()
        expect(page["#notice"]).to_contain_text("Not connected")
        expect(page["#outcome"]).to_have_text("not answered")
        with running_server(tiny_bundle, tmp_path, *port):
            page.connected()
            expect(page["#notice"]).to_be_empty()
            assert page.ending(page.generate())["type"] == "completed"
            expect(page["#picture"]).to_have_attribute("data-codes", "6")
        # That a server did not answer is written to the console by the browser itself, whoever asks.
        assert all("net::ERR_CONNECTION" in each for each in page.complaints), page.complaints
        page.complaints.clear()


def test_a_server_that_asks_for_a_key(browser: Browser, tmp_path: Path) -> None:
    pool, picture = FakePool(), io.BytesIO()
    Image.new("L", (4, 4), 200).save(picture, "PNG")
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, data=picture.getvalue()))
    keys = KeyFile(tmp_path)
    key, settings = keys.add("alice"), Settings(keys=keys.path)
    with live_in_thread(app_over(pool, settings), settings) as url, playground(browser, url) as page:
        page.page.goto(url)
        expect(page["#connection"]).to_have_attribute("data-state", "key")
        expect(page["#key-field"]).to_be_focused()
        page["#generate"].click()
        assert page.sent() == []  # there is no model to ask yet
        page["#key-field"].focus()
        page.page.keyboard.type("guess")
        page.page.keyboard.press("Enter")
        expect(page["#key label"]).to_have_text("That key does not do: Unauthorized")
        page.page.keyboard.type(key)
        page.page.keyboard.press("Enter")
        page.connected()
        expect(page["#key"]).to_be_hidden()
        assert page.ending(page.generate())["type"] == "completed"
        expect(page["#picture"]).to_have_attribute("data-codes", "4")
        kept = page.page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
        assert kept == [[key], [], ""]
        assert not any(key in address for address in page.requests)
        # Code to copy names the key's variable, never the key.
        for name in ("#curl", "#python"):
            assert key not in page[name].inner_text()
            assert "ANYTIME_API_KEY" in page[name].inner_text()
        page.page.reload()
        page.connected()
        # The browser itself writes to the console that it was answered 401.
        assert page.complaints
        assert all("401" in each for each in page.complaints)
        page.complaints.clear()


def test_the_default_model_is_chosen_until_somebody_chooses(browser: Browser) -> None:
    pool, settings = FakePool(), Settings()
    pool.manifests = Catalogue([manifest(name) for name in ("one", "two", "three")], {"default": "two"})
    with live_in_thread(app_over(pool, settings), settings) as url, playground(browser, url) as page:
        page.open()
        expect(page["#model"]).to_have_value("two")
        page["#model"].select_option("three")
        page.page.reload()
        page.connected()
        expect(page["#model"]).to_have_value("two")


_OPEN = """([url, protocols]) => new Promise((resolve) => {
  const socket = new WebSocket(url, protocols);
  socket.onopen = () => socket.send('{"type": "generate", "id": "a"}');
  socket.onmessage = ({ data }) => { resolve([socket.protocol, JSON.parse(data).type]); socket.close(); };
  socket.onclose = () => resolve("closed");
})"""
_ASK = """([url, headers]) => fetch(url, { method: "POST", headers, body: "{}" }).then(
  async (response) => [response.status, response.headers.has("x-request-id"), (await response.text()).length > 0],
  () => "failed")"""


@pytest.mark.parametrize("shared", [False, True])
def test_pages_of_this_site_and_of_another(browser: Browser, tmp_path: Path, shared: bool) -> None:
    """What a browser lets a page do, which is the judge of what the server tells it."""
    keys = KeyFile(tmp_path)
    key = keys.add("alice")
    with live_in_thread(app_over(FakePool(), Settings()), Settings()) as other:
        settings = Settings(keys=keys.path, cors_origins=other if shared else None)
        with live_in_thread(app_over(FakePool(), settings), settings) as url:
            for site, may in ((url, True), (other, shared)):
                page = browser.new_page()
                page.goto(f"{site}/livez")
                check_sockets(page, url, key, may=may)
                json = {"content-type": "application/json", "x-stainless-os": "any header of a client's own"}
                for headers, status in (
                    ({"authorization": f"Bearer {key}", **json}, 200),
                    ({"x-api-key": key, **json}, 200),
                    (json, 401),
                ):
                    answer = page.evaluate(_ASK, [f"{url}/v1/generate", headers])
                    assert answer == ([status, True, True] if may else "failed"), (site, headers)
                page.close()


def check_sockets(page: Page, url: str, key: str, *, may: bool) -> None:
    """See which websockets a page can open and use."""
    address = url.replace("http", "ws") + "/v1/stream"
    named = f"anytime.key.{key}"
    for protocols, chosen in ((["anytime", named], "anytime"), ([named], named), (["chat", named], named)):
        expected = [chosen, "accepted"] if may else "closed"
        assert page.evaluate(_OPEN, [address, protocols]) == expected, protocols
    for protocols in ([], ["anytime"], ["anytime", f"{named}x"]):
        assert page.evaluate(_OPEN, [address, protocols]) == "closed", protocols
