"""One sample at a time: watched, stopped, extended, continued, varied, heard."""

from __future__ import annotations

import itertools

from browsing import PATIENCE_MS, Playground
from playwright.sync_api import expect

LONG = ("End", 1)  # the key that sets the longest deadline


def test_a_sample_sharpens_before_ones_eyes(page: Playground) -> None:
    """Every preview is shown: more codes on the canvas, other pixels, one more thumbnail."""
    page.open("colours")
    page.deadline(*LONG)
    request = page.generate()
    seen: dict[int, tuple[int, ...]] = {}
    while len(seen) < 4:
        page.until(lambda: page.codes_shown() > max(seen, default=0))
        seen[page.codes_shown()] = tuple(page.pixels("#picture"))
        assert page.colours("#picture") > 1
    assert page.events(request, "completed", "error") == []
    page["#stop"].click()
    ended = page.ending(request)["outputs"][0]
    previews = [each["output"]["codes"] for each in page.events(request, "preview")]
    assert len(previews) >= 4
    assert len(set(seen.values())) == len(seen)
    for fewer, more in itertools.pairwise([*previews, ended["codes"]]):
        assert more[: len(fewer)] == fewer
    expect(page["#strip .live"]).to_have_count(min(16, len(previews) + 1))


def test_stop_gives_the_whole_picture_at_once(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    request = page.generate()
    page.previewed(request, 1)
    page["#stop"].click()
    ended = page.ending(request)
    (output,) = ended["outputs"]
    assert (output["stop_reason"], output["codes_total"]) == ("client_stop", 1500)
    assert 1 <= len(output["codes"]) < 1500
    expect(page["#codes"]).to_have_text(f"{len(output['codes'])} of 1500 codes")
    expect(page["#outcome"]).to_contain_text("you stopped it")
    expect(page["#picture"]).to_have_attribute("data-codes", str(len(output["codes"])))
    assert page["#picture"].evaluate("canvas => [canvas.width, canvas.height]") == [16, 16]
    assert page.colours("#picture") > 1
    assert page["#replaying"].inner_text() == ""
    expect(page["#stop"]).to_have_attribute("aria-disabled", "true")
    expect(page["#said"]).to_contain_text("you stopped it")


def test_a_request_is_extended_while_it_runs(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    page.deadline("PageDown")
    request = page.generate()
    page.previewed(request, 1)
    first = page.events(request, "accepted")[0]["deadline_ms"]
    assert 5_000 < first < 30_000
    page["#extend"].click()
    assert page.sent("extend") == [{"type": "extend", "id": request, "deadline_ms": 2 * first}]
    page["#stop"].click()
    assert page.ending(request)["deadline_ms"] == 2 * first


def test_continue_refines_the_same_picture(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    page.more(max_codes=30)  # which is not said of what goes on from there
    first = page.generate()
    held = page.ending(first)["outputs"][0]["codes"]
    expect(page["#continue"]).to_have_attribute("aria-disabled", "false")
    page["#continue"].click()
    page.until(lambda: page.last_id() != first)
    body = page.sent()[-1]
    assert (body["codes"], body["seed"], body["index"], "max_codes" in body) == (held, 7, 0, False)
    page.until(lambda: page.codes_shown() > len(held))
    page["#stop"].click()
    ended = page.ending(body["id"])["outputs"][0]
    assert len(ended["codes"]) > len(held) == 30
    assert ended["codes"][: len(held)] == held
    expect(page["#codes"]).to_have_text(f"{len(ended['codes'])} of 1500 codes")
    # What was there before is there still.
    thumbs = [int(text) for text in page["#strip .tile"].all_inner_texts()]
    assert thumbs[0] < len(held) < thumbs[-1] == len(ended["codes"])


def test_variations_share_the_first_codes(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    first = page.generate()
    page.previewed(first, 2)
    page["#stop"].click()
    held = page.ending(first)["outputs"][0]["codes"]
    page["#keep-codes"].focus()
    page.page.keyboard.press("Home")
    for _ in range(2):
        page.page.keyboard.press("ArrowRight")
    expect(page["#kept"]).to_have_text(f"3 of {len(held)} codes")
    expect(page["#kept-picture"]).to_have_attribute("data-codes", "3")
    assert page.colours("#kept-picture") > 1
    page.page.select_option("#number", "4")
    page["#vary"].click()
    page.until(lambda: page.sent()[-1].get("n") == 4)
    body = page.sent()[-1]
    assert body["codes"] == held[:3]
    assert body["seed"] != 7
    page.previewed(body["id"], 12)
    expect(page["#vary"]).to_have_text("Stop")
    page["#vary"].click()
    varied = page.ending(body["id"])["outputs"]
    assert all(each["codes"][:3] == held[:3] for each in varied)
    assert len({tuple(each["codes"]) for each in varied}) == 4
    expect(page["#varied .tile"]).to_have_count(4)
    # One of them takes the stage, and is gone on with from there.
    page["#varied .tile"].nth(2).click()
    expect(page["#picture"]).to_have_attribute("data-codes", str(len(varied[2]["codes"])), timeout=PATIENCE_MS)
    expect(page["#siblings .tile"].nth(2)).to_have_attribute("aria-pressed", "true")


def test_a_thumbnail_shows_the_picture_after_its_codes(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    request = page.generate()
    page.previewed(request, 2)
    page["#stop"].click()
    page.ending(request)
    last = page.codes_shown()
    page["#strip .tile"].first.click()
    page.until(lambda: page.codes_shown() == 1)
    expect(page["#codes"]).to_have_text("1 of 1500 codes")
    expect(page["#strip .tile"].first).to_have_attribute("aria-pressed", "true")
    page["#strip .tile"].last.click()
    page.until(lambda: page.codes_shown() >= last)


def test_several_samples_are_chosen_among(page: Playground) -> None:
    page.open("colours")
    page.deadline(*LONG)
    page.more(n=3, max_codes=40)
    ended = page.ending(page.generate())
    assert [each["index"] for each in ended["outputs"]] == [0, 1, 2]
    expect(page["#siblings .tile"]).to_have_count(3)
    page.until(lambda: page.codes_shown() == 40)
    first = page.pixels("#picture")
    page["#siblings .tile"].nth(1).click()
    page.until(lambda: page.pixels("#picture") != first)


def test_clips_are_seen_and_heard(page: Playground) -> None:
    page.open("clips")
    page.deadline(*LONG)
    request = page.generate()
    page.previewed(request, 3)
    page.until(lambda: page.colours("#picture") > 1)
    page["#stop"].click()
    held = page.ending(request)["outputs"][0]
    assert held["media_type"] == "audio/wav"
    expect(page["#picture"]).to_have_attribute("data-codes", str(len(held["codes"])))
    assert page["#picture"].evaluate("canvas => canvas.width") > 200
    expect(page["#player"]).to_be_visible()
    page.until(lambda: page["#player"].evaluate("player => player.duration > 0"))
    assert page["#player"].evaluate("player => player.duration") == 0.2
    with page.page.expect_download() as download:
        page["#download"].click()
    assert download.value.suggested_filename == f"clips-7-{len(held['codes'])}-codes.wav"
    assert download.value.path().read_bytes()[:4] == b"RIFF"
