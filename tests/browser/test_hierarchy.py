"""Hierarchies in the playground, the one that ships among them: they sharpen through their levels like any model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Playground, playground
from playwright.sync_api import Browser, expect
from server_process import ROOT, ServerProcess, running_server

from training.random_bundle import write_random_bundle
from training.recipe import load_any_recipe

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


@pytest.fixture
def slow(browser: Browser, tmp_path: Path) -> Iterator[Playground]:
    """Of one in colour, whose pixels PyTorch draws: it takes a second, in which there is time to press a button."""
    write_random_bundle(tmp_path / "slow", load_any_recipe("hierarchical-emoji"), 0)
    with (
        running_server(tmp_path / "slow", tmp_path, "--executor", "reference") as server,
        playground(browser, server.url) as each,
    ):
        yield each


def test_what_is_stopped_is_complete_and_goes_on_as_the_same_picture(slow: Playground) -> None:
    slow.open()
    slow.deadline("End")
    request = slow.generate()
    slow.previewed(request, 1)
    slow["#stop"].click()
    stopped = slow.ending(request)["outputs"][0]
    assert 1 <= len(stopped["codes"]) < CODES
    assert slow.colours("#picture") > 1
    slow["#continue"].click()
    slow.until(lambda: slow.last_id() != request)
    finer = slow.ending(slow.last_id())["outputs"][0]
    assert finer["codes"][: len(stopped["codes"])] == stopped["codes"]
    assert len(finer["codes"]) == CODES
