from __future__ import annotations

import numpy as np
import pytest
from fake_model import FakeModel

from service.worker.warmup import warm_up


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def spend(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(clock: Clock) -> FakeModel:
    return FakeModel(slots=4, spend=clock.spend)


def test_every_operation_is_measured_in_every_bucket(clock: Clock, model: FakeModel) -> None:
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


def test_formats_that_cannot_hold_the_media_are_left_out(clock: Clock) -> None:
    model = FakeModel()
    decode = model.decode

    def decode_audio(slots: list[int]) -> object:
        decoded = decode(slots)
        return type(decoded)(np.zeros((len(slots), 1, 16), np.float32), decoded.codes)

    model.decode = decode_audio
    costs = warm_up(model, lambda media, *_: media.tobytes(), clock)
    assert {file_format for file_format, _ in costs.encodes.table()} == {"npy"}
