"""What `anytime bench deadline` says when it is given something wrong, before anything is measured."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from fake_pool import FakePool, app_over, audio_manifest, manifest
from live_server import live
from typer.testing import CliRunner

from anytime import app
from models.errors import AnytimeError
from service.bench.cli import Format
from service.bench.deadline import Wish, run
from service.encode import MEDIA_TYPES
from service.registry import Catalogue
from service.settings import Settings

NOWHERE = "http://127.0.0.1:9"
WISH = Wish(deadlines=(50.0,), loads=(1.0,), seconds=1.0)


def refuse(url: str, wish: Wish = WISH) -> str:
    with pytest.raises(AnytimeError) as raised:
        run(url, wish, pytest.fail)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_server_that_is_not_there() -> None:
    assert refuse(NOWHERE).startswith("cannot reach a server at http://127.0.0.1:9")
    assert refuse("ftp://x").startswith("ftp://x is not the address of a server")


async def test_a_model_that_is_not_there() -> None:
    settings = Settings()
    pool = FakePool(manifest("one"), manifest("two"))
    async with live(app_over(pool, settings), settings) as address:
        url = f"http://{address}"
        missing = await asyncio.to_thread(refuse, url, Wish((50.0,), (1.0,), 1.0, model="three"))
        assert missing == f"{url} has no model 'three', only one, two"
        assert await asyncio.to_thread(refuse, url) == f"{url} has several models, choose one with --model: one, two"
        pool.change(Catalogue((manifest("one"), manifest("two")), {"default": "two"}))
        unnamed = await asyncio.to_thread(refuse, url, Wish((50.0,), (1.0,), 1.0, min_codes=9))
        assert "--min-codes 9 is more than the" in unnamed  # one was found
        greedy = await asyncio.to_thread(refuse, url, Wish((50.0,), (1.0,), 1.0, model="one", min_codes=9))
        assert "--min-codes 9 is more than the" in greedy
        assert "does not answer like an anytime server" in await asyncio.to_thread(refuse, f"{url}/docs")


async def test_samples_are_asked_for_in_a_format_that_the_model_has() -> None:
    settings = Settings()
    async with live(app_over(FakePool(audio_manifest()), settings), settings) as address:
        wish = Wish((50.0,), (0.01,), 0.1, warmup=0.0, capacity_seconds=0.1, concurrency=1)
        report, _ = await asyncio.to_thread(run, f"http://{address}", wish, lambda _: None)
        assert report.ask.format == "wav"
        wrong = await asyncio.to_thread(refuse, f"http://{address}", replace(wish, format="png"))
        assert wrong == "--format png is none of those that clips has: wav, flac, ogg, npy"


async def test_requests_come_at_the_rate_that_was_asked_for_whatever_the_capacity_is() -> None:
    settings = Settings()
    async with live(app_over(FakePool(manifest("one")), settings), settings) as address:
        wish = Wish((200.0,), (4.0,), 0.5, rates=(20.0, 40.0), warmup=0.0, capacity_seconds=0.2, concurrency=2)
        report, _ = await asyncio.to_thread(run, f"http://{address}", wish, lambda _: None)
        assert [each.requests_per_s for each in report.details] == [20.0, 40.0]
        assert [each.load for each in report.cells] == [
            round(rate / report.capacity.requests_per_s, 3) for rate in (20.0, 40.0)
        ]


def test_every_format_may_be_asked_for() -> None:
    assert {*Format} == {*MEDIA_TYPES}


def test_a_result_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    arguments = ["bench", "deadline", "--url", NOWHERE, "--json", str(tmp_path / "nowhere" / "x.json")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, AnytimeError)
    assert "there is no folder" in str(result.exception)


@pytest.mark.parametrize("option", ["--deadlines", "--load"])
@pytest.mark.parametrize("text", ["fast", "1,,2", "0", "-1", "inf", "nan"])
def test_numbers_that_are_none(option: str, text: str) -> None:
    result = CliRunner().invoke(app, ["bench", "deadline", "--url", NOWHERE, f"{option}={text}"])
    assert result.exit_code == 2
    assert option in result.output
