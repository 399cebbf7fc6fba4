"""Takes the pictures in docs/images anew; only where asked to, with `-m screenshots`.

They are of the model that ships, with the fonts that the machine has; Inter is the first choice of the page.
"""

from __future__ import annotations

import pytest
from browsing import Playground, playground
from playwright.sync_api import Browser, expect
from server_process import ROOT, ServerProcess

LARGEST = 200_000  # bytes
QUIET_TRIES = 50

pytestmark = pytest.mark.screenshots


def take(page: Playground, name: str) -> None:
    page.page.mouse.move(0, 0)
    path = ROOT / "docs" / "images" / name
    page.page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size < LARGEST


def choose(page: Playground, label: str, deadline: str) -> None:
    page.page.select_option("#label", label)
    page.page.fill("#seed", "7")
    page["#deadline"].focus()
    while page["#deadline-value"].inner_text().replace("\u00a0", " ") != deadline:
        page.page.keyboard.press("ArrowRight")


def until_replayed(page: Playground) -> None:
    expect(page["#strip .tile"]).to_have_count(16)
    expect(page["#replaying"]).to_be_empty()


def test_desktop(browser: Browser, quick: ServerProcess) -> None:
    with playground(browser, quick.url, viewport={"width": 1280, "height": 1020}) as page:
        page.open()
        choose(page, "ankle boot", "200 ms")
        page.generate()
        until_replayed(page)
        page["#keep-codes"].focus()
        page.page.keyboard.press("Home")
        page["#vary"].click()
        expect(page["#varied .tile"]).to_have_count(8)
        page["#variations-note"].filter(has_text="Choose one").wait_for()
        page["#strip .tile"].nth(4).click()
        take(page, "playground.png")


def test_phone(browser: Browser, quick: ServerProcess) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
    with playground(browser, quick.url, color_scheme="dark", **phone) as page:
        page.open()
        choose(page, "ankle boot", "200 ms")
        page.generate()
        until_replayed(page)
        take(page, "playground-phone.png")


def test_board(browser: Browser, quick: ServerProcess) -> None:
    with playground(browser, quick.url, viewport={"width": 1280, "height": 760}) as page:
        page.open(view="#many")
        page.page.select_option("#label", "ankle boot")
        # A machine that others use, too, is late by itself at times, which is nothing to show.
        for _ in range(QUIET_TRIES):
            page["#ladder"].click()
            expect(page["#results .tile:is([data-state=ended], [data-state=failed])"]).to_have_count(12)
            if page["#results [data-late=true], #results [data-state=failed]"].count() == 0:
                break
        take(page, "playground-board.png")
