from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fake_model import FakeModel
from manual_clock import ManualClock

from models.runtime.protocol import Decoded
from service.worker.warmup import warm_up


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0.0)


@pytest.fixture
def model(clock: ManualClock) -> FakeModel:
    return FakeModel(slots=4, spend=clock.spend)


def test_every_operation_is_measured_in_every_bucket(clock: ManualClock, model: FakeModel) -> None:
    model.step_s, model.decode_s = 0.002, 0.003

    def encode(_media: object, file_format: str, scale: int) -> bytes:
        clock.spend(0.001 * scale if file_format == "png" else 0.004)
        return b""

    costs = warm_up(model, encode, clock)
    for batch in (1, 2, 4):
        assert costs.step(batch) == pytest.approx(0.002)
        assert costs.decode(batch) == pytest.approx(0.003)
    assert costs.encode(("png", 1)) == pytest.approx(0.001)
    assert costs.encode(("png", 8)) == pytest.approx(0.008)
    assert costs.encode(("webp", 8)) == pytest.approx(0.004)
    assert not model.taken


def test_formats_that_cannot_hold_the_media_are_left_out(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    decode = model.decode

    def decode_audio(slots: Sequence[int]) -> Decoded:
        decoded = decode(slots)
        return Decoded(np.zeros((len(slots), 1, 16), np.float32), decoded.codes)

    monkeypatch.setattr(model, "decode", decode_audio)
    costs = warm_up(model, lambda media, *_: media.tobytes(), clock)
    assert {file_format for file_format, _ in costs.encodes.table()} == {"npy"}
