"""The codes of a short answer are a prefix of those of a long one, on 1,000 seeds, over the shipped model.

Every seed is asked for with a short deadline and with a long one, and some as one of several samples. They run many
at a time, so that batches mix, and on two workers, so that the answers of one seed come from either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_process import ROOT, running_server

SEEDS = 1000
CLIENTS = 8


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle = ROOT / "models" / "pretrained" / "fashion-mnist"
    folder: Path = tmp_path_factory.mktemp("server")
    with running_server(bundle, folder, "--workers", "2", "--slots", "16") as server:
        yield server.url


def ask(client: httpx.Client, seed: int, deadline_ms: float, n: int = 1) -> list[list[int]]:
    """Codes of each sample; the label and the sampling follow from the seed."""
    body = {"seed": seed, "label": seed % 10, "temperature": 0.5 + seed % 3 / 2, "top_p": 0.9 if seed % 2 else 1.0}
    response = client.post("/v1/generate", json={**body, "deadline_ms": deadline_ms, "n": n})
    if response.status_code == 504:  # the machine was too busy for so short a deadline, and said so
        return [[]]
    assert response.status_code == 200, response.text
    return [output["codes"] for output in response.json()["outputs"]]


def test_shorter_answers_are_prefixes_of_longer_ones(url: str) -> None:
    shuffle = random.Random(0)
    short = {seed: 10 * 100 ** shuffle.random() for seed in range(SEEDS)}  # milliseconds, short on any machine or long
    jobs = [(seed, short[seed], 1) for seed in range(SEEDS)]
    jobs += [(seed, 20_000, 1) for seed in range(SEEDS)] + [(seed, 20_000, 2) for seed in range(0, SEEDS, 10)]
    shuffle.shuffle(jobs)
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(CLIENTS) as pool:
        answers = dict(zip(jobs, pool.map(lambda job: ask(client, *job), jobs), strict=True))

    lengths = set()
    for seed in range(SEEDS):
        (full,) = answers[seed, 20_000, 1]
        (part,) = answers[seed, short[seed], 1]
        assert len(full) == 16
        assert part == full[: len(part)], f"seed {seed} at {short[seed]:.0f} ms"
        lengths.add(len(part))
    assert len(lengths) > 2, "every short answer had the same length: the deadlines made no difference"
    for seed in range(0, SEEDS, 10):
        first, second = answers[seed, 20_000, 2]
        assert [first] == answers[seed, 20_000, 1]
        assert second != first
