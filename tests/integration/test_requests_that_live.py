"""Answers that are gone on with, varied and extended, over real sockets, workers and the shipped model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_process import ROOT, running_server
from socket_client import ending, event, open_socket, send

ASKED = {"label": "sandal", "temperature": 0.9, "top_k": 60}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle: Path = ROOT / "models" / "pretrained" / "fashion-mnist"
    with running_server(bundle, tmp_path_factory.mktemp("server"), "--slots", "16") as server:
        yield server.url


def ask(url: str, **body: object) -> list[dict[str, Any]]:
    """Asks again while it is refused: a machine that was just taken away refuses what it grants at other times."""
    for _ in range(50):
        response = httpx.post(f"{url}/v1/generate", json={**ASKED, **body}, timeout=60)
        if response.status_code != 504:
            break
    assert response.status_code == 200, response.text
    outputs: list[dict[str, Any]] = response.json()["outputs"]
    return outputs


def test_an_answer_sent_back_becomes_the_one_that_more_time_would_have_given(url: str) -> None:
    """Whatever it held; its picture, too. Beside others, so that what is read runs in batches of many sizes."""
    wholes = ask(url, seed=4, n=12, deadline_ms=30_000)
    for whole in wholes:
        for held in (1, 2, 7, 15, 16):
            (part,) = ask(url, seed=4, index=whole["index"], max_codes=held, deadline_ms=30_000)
            assert part["codes"] == whole["codes"][:held]
            (continued,) = ask(url, seed=4, index=whole["index"], codes=part["codes"], deadline_ms=30_000)
            assert (continued["codes"], continued["b64"]) == (whole["codes"], whole["b64"])
            assert continued["index"] == whole["index"]


def test_the_codes_of_30_ms_sent_back_with_300_are_those_of_300_at_once(url: str) -> None:
    for seed in range(20):
        (short,) = ask(url, seed=seed, deadline_ms=30)
        (longer,) = ask(url, seed=seed, deadline_ms=300, codes=short["codes"])
        (at_once,) = ask(url, seed=seed, deadline_ms=300)
        most = min(len(longer["codes"]), len(at_once["codes"]))
        assert most >= len(short["codes"]) >= 1
        assert longer["codes"][:most] == at_once["codes"][:most]


def test_variations_begin_alike_and_end_apart(url: str) -> None:
    (first,) = ask(url, seed=1, max_codes=2, deadline_ms=30_000)
    varied = ask(url, seed=2, n=8, codes=first["codes"], deadline_ms=30_000)
    assert all(each["codes"][:2] == first["codes"] for each in varied)
    assert len({tuple(each["codes"]) for each in varied}) > 1


async def test_a_request_that_is_extended_has_the_codes_that_the_later_deadline_allows(url: str) -> None:
    async with open_socket(url.removeprefix("http://")) as ws:
        await send(ws, type="generate", id="crowd", n=64, deadline_ms=60_000)
        assert (await event(ws))["type"] == "accepted"
        await send(ws, type="generate", id="a", deadline_ms=500, seed=5, label="bag")
        await send(ws, type="extend", id="a", deadline_ms=50_000)
        assert (await event(ws))["type"] == "accepted"
        extended = await ending(ws)
        while extended["id"] != "a":
            extended = await ending(ws)
    assert extended["deadline_ms"] == 50_000
    assert len(extended["outputs"][0]["codes"]) == 16
    assert extended["outputs"][0]["stop_reason"] == "complete"
