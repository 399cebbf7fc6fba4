"""The hierarchy that ships, in the playground: it sharpens through its levels like any other model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from browsing import Playground, playground
from playwright.sync_api import Browser, expect
from server_process import ROOT, ServerProcess, running_server

CODES, TOPMOST = 1088, 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    bundle = ROOT / "models" / "pretrained" / "hierarchical-fashion-mnist"
    with running_server(bundle, tmp_path_factory.mktemp("hierarchy")) as each:
        yield each


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[Playground]:
    with playground(browser, server.url) as each:
        yield each


def test_previews_begin_among_the_topmost_codes_and_end_among_the_pixels(page: Playground) -> None:
    page.open()
    page.page.select_option("#label", "bag")
    page.deadline("End")
    request = page.generate()
    ended = page.ending(request)["outputs"][0]
    previews = [each["output"]["codes"] for each in page.events(request, "preview")]
    assert len(previews) >= 3
    assert len(previews[0]) <= TOPMOST < len(previews[-1])
    for fewer, more in itertools.pairwise([*previews, ended["codes"]]):
        assert more[: len(fewer)] == fewer
    assert len(ended["codes"]) == ended["codes_total"] == CODES
    expect(page["#picture"]).to_have_attribute("data-codes", str(CODES))
    assert page["#picture"].evaluate("canvas => [canvas.width, canvas.height]") == [32, 32]
    assert page.colours("#picture") > 8
    assert page["#strip .tile"].count() <= 16


def test_what_is_stopped_is_complete_and_goes_on_as_the_same_picture(page: Playground) -> None:
    page.open()
    page.deadline("End")
    request = page.generate()
    page.previewed(request, 1)
    page["#stop"].click()
    stopped = page.ending(request)["outputs"][0]
    assert 1 <= len(stopped["codes"]) < CODES
    assert page.colours("#picture") > 8
    page["#continue"].click()
    page.until(lambda: page.last_id() != request)
    finer = page.ending(page.last_id())["outputs"][0]
    assert finer["codes"][: len(stopped["codes"])] == stopped["codes"]
    assert len(finer["codes"]) == CODES
