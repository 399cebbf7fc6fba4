"""Without a mouse, on a phone, in the dark, without movement."""

from __future__ import annotations

import pytest
from browsing import Playground, playground
from playwright.sync_api import Browser, expect
from server_process import ServerProcess

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
TARGET = 40  # CSS pixels

_TARGETS = """() => Array.from(document.querySelectorAll("a, button, select, summary, input, label.toggle"))
  .filter((each) => each.checkVisibility() && !each.matches(".skip, [type=checkbox]"))
  .map((each) => [each.id || each.textContent, each.getBoundingClientRect()])
  .map(([name, { width, height }]) => [name, width, height])"""
_UNNAMED = """() => Array.from(document.querySelectorAll("button, input, select, a, canvas, [role=group], section"))
  .filter((each) => each.checkVisibility() && !each.matches("[aria-hidden=true], [aria-hidden=true] *"))
  .filter((each) => !(each.ariaLabel || each.ariaLabelledByElements?.length || each.labels?.length))
  .filter((each) => each.matches("[role=group], section") || !each.textContent.trim())
  .map((each) => each.outerHTML)"""


def focused(page: Playground) -> str:
    """The id of what has the focus, or the name of its tag."""
    found: str = page.page.evaluate("document.activeElement.id || document.activeElement.tagName")
    return found


def tab_to(page: Playground, wanted: str) -> None:
    """Press Tab until it is there, and see that one can see where that is."""
    for _ in range(80):
        page.page.keyboard.press("Tab")
        if focused(page) == wanted:
            outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_everything_by_the_keyboard_alone(page: Playground) -> None:
    page.open("colours")
    press = page.page.keyboard.press
    page["#model"].focus()
    tab_to(page, "deadline")
    press("End")
    expect(page["#deadline"]).to_have_attribute("aria-valuetext", "60\u00a0s")
    tab_to(page, "generate")
    press("Enter")
    request = page.last_id()
    page.previewed(request, 2)
    press("Escape")
    held = page.ending(request)["outputs"][0]
    assert held["stop_reason"] == "client_stop"
    assert focused(page) == "generate"
    expect(page["#continue"]).to_have_attribute("aria-disabled", "false")
    tab_to(page, "continue")
    press("Enter")
    page.until(lambda: page.sent()[-1].get("codes") == held["codes"] and "max_codes" not in page.sent()[-1])
    again = page.last_id()
    expect(page["#extend"]).to_be_focused()  # which has the place of the other while it runs
    page.previewed(again, 1)
    press("Enter")
    assert page.sent("extend") == []  # there is no more than the longest deadline
    press("Escape")
    page.ending(again)
    expect(page["#continue"]).to_be_focused()
    tab_to(page, "keep-codes")
    press("Home")
    tab_to(page, "vary")
    press("Enter")
    page.until(lambda: page.sent()[-1].get("n") == 8)
    varied = page.last_id()
    page.previewed(varied, 8)
    press("Enter")
    page.ending(varied)
    expect(page["#varied .tile"]).to_have_count(8)


@pytest.mark.parametrize("view", ["", "#many"])
def test_on_a_phone_all_of_it_fits_and_can_be_hit(browser: Browser, quick: ServerProcess, view: str) -> None:
    with playground(browser, quick.url, **PHONE) as page:
        page.open(view=view)
        page["#request summary"].click()
        if view:
            page["#ladder"].click()
            expect(page["#results .tile[data-state]"]).to_have_count(12)
        else:
            page.deadline("End")
            page.ending(page.generate())
            page["#vary"].click()
            expect(page["#varied .tile"]).to_have_count(8)
        assert page.page.evaluate("document.documentElement.scrollWidth") == 360
        small = [each for each in page.page.evaluate(_TARGETS) if min(each[1:]) < TARGET]
        assert small == []
        assert page.page.evaluate(_UNNAMED) == []


def test_the_picture_comes_into_view_on_a_phone(browser: Browser, quick: ServerProcess) -> None:
    with playground(browser, quick.url, **PHONE) as page:
        page.open()
        page.ending(page.generate())
        page.until(lambda: page["#picture"].evaluate("each => each.getBoundingClientRect().top < innerHeight / 3"))
        expect(page["#generate"]).to_be_in_viewport()


def test_who_wants_no_movement_gets_no_replay(browser: Browser, quick: ServerProcess) -> None:
    with playground(browser, quick.url, reduced_motion="reduce") as page:
        page.open()
        page.deadline("End")
        page.ending(page.generate())
        expect(page["#strip .tile"]).to_have_count(16)
        assert page["#replaying"].inner_text() == ""
        assert page["#slow"].is_checked() is False


def test_colours_follow_the_scheme(browser: Browser, quick: ServerProcess) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        with playground(browser, quick.url, color_scheme=scheme) as page:
            page.open()
            seen[scheme] = page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert seen == {"light": "rgb(247, 246, 243)", "dark": "rgb(19, 20, 22)"}
