"""Every server of the comparison, ours and the others, gives the same complete pictures for the same seeds."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path

import msgspec
import pytest
from bench.peers.sampler import Request, Sampler
from bench.peers.servers import CONTENDERS, Contender, running
from bench.peers.tuning import BUNDLE, Tuning
from PIL import Image

from models.runtime import load_model
from service.bench.schedule import Ask, Planned
from service.bench.timers import precise_loop
from service.bench.traffic import offer
from service.bench.verdicts import Class, judge

PLAN = [Planned(0.01 * seed, 20_000.0, seed) for seed in range(3)]
PATIENT = Tuning(timeout_ms=20_000)


@pytest.fixture(scope="module")
def expected() -> list[dict[str, object]]:
    """What the model itself answers, without a server."""
    sampler = Sampler(*load_model(BUNDLE, "cpu", 4))
    answers = sampler.complete([Request(planned.seed) for planned in PLAN])
    return [msgspec.json.decode(answer)["outputs"][0] for answer in answers]


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda each: each.name)
def test_same_seed_same_picture(contender: Contender, expected: list[dict[str, object]], tmp_path: Path) -> None:
    patient = contender.tuned(PATIENT) if contender.tuning else contender
    ask = Ask("fashion-mnist", 16)
    with running(patient, tmp_path / "log") as target, asyncio.Runner(loop_factory=precise_loop) as runner:
        traffic = runner.run(offer(target, ask, PLAN))
    for planned, exchange, wanted in zip(PLAN, traffic.exchanges, expected, strict=True):
        verdict = judge(planned, ask, exchange)
        assert verdict.group is Class.ON_TIME, verdict.reason
        assert (verdict.codes, verdict.stop_reasons, verdict.qualities) == ((16,), ("complete",), (1.0,))
        output = msgspec.json.decode(exchange.body)["outputs"][0]
        assert {name: output[name] for name in wanted} == wanted
        picture = Image.open(io.BytesIO(base64.b64decode(output["b64"])))
        assert (picture.format, picture.size) == ("PNG", (28, 28))
