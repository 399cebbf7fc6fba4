"""The model that ships, which is done before anybody has looked: replays, charts, code to copy, the board."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import Playground, milliseconds
from playwright.sync_api import expect
from server_process import ServerProcess

CODES = 16
PATIENT = 50_000  # milliseconds: a machine that was just taken away still gives all codes


def whole_sample(page: Playground) -> dict[str, Any]:
    """A sneaker with all its codes."""
    page.page.select_option("#label", "sneaker")
    page.deadline("End")
    ended = page.ending(page.generate())
    assert len(ended["outputs"][0]["codes"]) == CODES
    return ended


def test_what_was_too_quick_is_replayed_code_by_code(quick_page: Playground) -> None:
    quick_page.open()
    ended = whole_sample(quick_page)
    expect(quick_page["#replaying"]).to_have_text(re.compile(r"Replayed at 1/\d+ speed"))
    seen: set[int] = set()
    while quick_page["#replaying"].inner_text():
        seen.add(quick_page.codes_shown())
    assert len(seen) >= 3
    expect(quick_page["#picture"]).to_have_attribute("data-codes", str(CODES))
    expect(quick_page["#strip .tile"]).to_have_count(CODES)
    expect(quick_page["#strip-note"]).to_be_visible()
    # What was decoded afterwards is what a preview would have shown: a prefix of the same codes.
    codes = ended["outputs"][0]["codes"]
    asked = [each for each in quick_page.sent() if each.get("max_codes")]
    assert asked
    assert all(each["codes"] == codes[: each["max_codes"]] for each in asked)


def test_a_replay_can_be_had_again_or_not_at_all(quick_page: Playground) -> None:
    quick_page.open()
    quick_page["#request summary"].click()
    quick_page["#slow"].uncheck()
    whole_sample(quick_page)
    expect(quick_page["#strip .tile"]).to_have_count(CODES)
    assert quick_page["#replaying"].inner_text() == ""
    quick_page["#replay"].click()
    expect(quick_page["#replaying"]).to_contain_text("Replayed")


def test_time_and_quality_are_those_of_the_answer(quick_page: Playground) -> None:
    quick_page.open()
    ended = whole_sample(quick_page)
    timing, shown = ended["timing"], {}
    for entry in quick_page["#legend > div"].all():
        shown[entry.locator("dt").inner_text()] = milliseconds(entry.locator("dd").inner_text())
    for name, field in (("Queue", "queue"), ("Codes", "sample"), ("Decode", "decode"), ("Encode", "encode")):
        assert shown[name] == pytest.approx(timing[f"{field}_ms"], rel=0.01)
    assert list(shown)[4:] == ["Passing on", "Network, browser"]
    assert sum(shown.values()) >= timing["total_ms"] * 0.99
    assert milliseconds(quick_page["#outcome"].inner_text()) == pytest.approx(sum(shown.values()), rel=0.02)
    expect(quick_page["#timeline"]).to_have_attribute("aria-label", re.compile(r"deadline 60\ss"))
    expect(quick_page["#timeline rect.sample"]).to_have_count(1)
    quick_page["#strip .tile"].nth(3).click()
    expect(quick_page["#curve text.here"]).to_have_text(re.compile(r"^\d+\s% after 4$"))


def test_the_code_to_copy_does_the_same(quick_page: Playground, tmp_path: Path) -> None:
    quick_page.open()
    whole_sample(quick_page)
    with quick_page.page.expect_download() as download:
        quick_page["#download"].click()
    picture = download.value.path().read_bytes()
    quick_page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for name, program in (("curl", ["bash", "-ec"]), ("python", [sys.executable, "-c"])):
        quick_page[f"#copy-{name}"].click()
        expect(quick_page["#said"]).to_have_text("Copied.")
        copied = quick_page.page.evaluate("navigator.clipboard.readText()")
        assert copied == quick_page[f"#{name}"].inner_text()
        ran = subprocess.run([*program, copied], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == 0, ran.stderr
        written = tmp_path / "sneaker-7.png"
        assert written.read_bytes() == picture
        written.unlink()


def test_the_code_for_several_samples_writes_them_all(quick_page: Playground, tmp_path: Path) -> None:
    quick_page.open()
    quick_page.more(n=2)
    whole_sample(quick_page)
    program = quick_page["#python"].inner_text()
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sneaker-7-0.png", "sneaker-7-1.png"]


def test_too_short_a_deadline_is_refused_with_one_that_would_do(quick_page: Playground) -> None:
    quick_page.open()
    quick_page.deadline("Home")
    expect(quick_page["#deadline-value"]).to_have_text("1\u00a0ms")
    expect(quick_page["#deadline-hint"]).to_have_text(re.compile("Too short at present"))
    refused = quick_page.ending(quick_page.generate())["problem"]
    assert refused["type"].endswith("deadline-infeasible")
    expect(quick_page["#notice"]).to_contain_text("Refused: too short")
    said = milliseconds(quick_page["#notice p"].inner_text())
    assert refused["minimum_deadline_ms"] <= said <= refused["minimum_deadline_ms"] * 1.1
    offer = quick_page["#notice button"].first
    assert milliseconds(offer.inner_text()) >= refused["minimum_deadline_ms"]
    before = quick_page.last_id()
    offer.click()
    quick_page.until(lambda: quick_page.last_id() != before)
    assert quick_page.sent()[-1]["deadline_ms"] >= refused["minimum_deadline_ms"]


def test_a_field_out_of_bounds_is_pointed_at_where_it_is(quick_page: Playground) -> None:
    quick_page.open()
    quick_page.more(max_codes=17)
    quick_page["#request summary"].click()
    quick_page["#generate"].click()
    expect(quick_page["#max_codes"]).to_be_focused()
    assert quick_page.sent() == []


def test_what_the_server_finds_wrong_is_said_in_its_words(quick_page: Playground) -> None:
    quick_page.open()
    quick_page.more(min_codes=9, max_codes=8)
    assert quick_page.ending(quick_page.generate())["problem"]["status"] == 422
    expect(quick_page["#notice"]).to_contain_text("must not be below min_codes")


def test_a_board_of_deadlines(quick_page: Playground, quick: ServerProcess) -> None:
    """One socket, twelve requests in one moment; what cannot be met is refused with what could."""
    quick_page.open(view="#many")
    quick_page.page.fill("#from", "0.5")
    quick_page.page.fill("#to", str(PATIENT))
    quick_page["#fire"].click()
    tiles = quick_page["#results .tile"]
    expect(tiles).to_have_count(12)
    quick_page.until(lambda: len(quick_page.sent()) == 12)
    sent, endings = quick_page.sent(), quick_page.endings()
    assert len({each["id"] for each in sent}) == len(sent) == 12
    assert sent[0]["deadline_ms"] == 0.5
    assert sent[-1]["deadline_ms"] == PATIENT
    expect(quick_page["#results .tile:is([data-state=ended], [data-state=failed])"]).to_have_count(12)
    for request, ended, tile in zip(sent, endings, tiles.all(), strict=True):
        lines = tile.inner_text().replace("\u00a0", " ").split("\n")
        assert milliseconds(lines[0]) == pytest.approx(request["deadline_ms"], rel=0.01)
        if ended["type"] == "error":
            assert lines[1] == "refused"
            assert milliseconds(lines[2]) >= ended["problem"]["minimum_deadline_ms"] * 0.999
        else:
            assert milliseconds(lines[1]) >= ended["timing"]["total_ms"] * 0.99
            assert lines[2] == f"{len(ended['outputs'][0]['codes'])} of 16 codes"
    assert endings[0]["type"] == "error"
    assert endings[-1]["outputs"][0]["stop_reason"] == "complete"
    refused = sum(ended["type"] == "error" for ended in endings)
    expect(quick_page["#summary"]).to_contain_text(f"{12 - refused} of 12 answered")
    expect(quick_page["#summary"]).to_contain_text(f"{refused} refused")
    tiles.last.click()
    expect(quick_page["#picture"]).to_have_attribute("data-codes", "16")
    limits = httpx.get(f"{quick.url}/v1/models").json()["limits"]
    assert limits["max_socket_requests"] >= 60, "a rush of sixty is to fit"


def test_a_rush_has_seeds_of_its_own(quick_page: Playground) -> None:
    quick_page.open(view="#many")
    quick_page["#rush"].click()
    expect(quick_page["#results .tile"]).to_have_count(60)
    quick_page.until(lambda: len(quick_page.sent()) == 60)
    assert len(quick_page.endings()) == 60
    assert {each["seed"] for each in quick_page.sent()} == set(range(7, 67))
    expect(quick_page["#results .tile:is([data-state=ended], [data-state=failed])"]).to_have_count(60)


def test_a_model_of_one_class_or_many(quick_page: Playground) -> None:
    quick_page.open()
    labels = quick_page["#label option"].all_inner_texts()
    assert (labels[0], len(labels)) == ("any", 11)
    quick_page.page.select_option("#label", "bag")
    quick_page.ending(quick_page.generate())
    assert quick_page.sent()[0]["label"] == "bag"


def test_seeds_are_drawn_anew_unless_they_are_kept(quick_page: Playground) -> None:
    quick_page.open()
    for _ in range(2):
        quick_page.ending(quick_page.generate())
    quick_page["[name=keep]"].uncheck()
    for _ in range(2):
        quick_page.ending(quick_page.generate())
    first, second, third, fourth = (each["seed"] for each in quick_page.sent() if "codes" not in each)
    assert (first, second) == (7, 7)
    assert third != fourth
    quick_page["#dice"].click()
    drawn = int(quick_page["#seed"].input_value())
    quick_page.generate()
    assert quick_page.sent()[-1]["seed"] == drawn
