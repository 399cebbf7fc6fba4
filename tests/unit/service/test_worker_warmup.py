from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from fake_model import FakeModel
from manual_clock import ManualClock

from models.config import Media
from models.runtime.protocol import Decoded
from service.encode import encode
from service.scheduler import Kind
from service.worker.warmup import kinds_of, warm_up


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0.0)


@pytest.fixture
def model(clock: ManualClock) -> FakeModel:
    return FakeModel(slots=4, spend=clock.spend)


def test_every_operation_is_measured_in_every_bucket(clock: ManualClock, model: FakeModel) -> None:
    model.step_s, model.decode_s = 0.002, 0.003

    def slow_encode(_sample: object, file_format: str, scale: int) -> bytes:
        clock.spend(0.001 * scale if file_format == "png" else 0.004)
        return b""

    costs = warm_up(model, slow_encode, [("png", 1), ("png", 8), ("webp", 8)], clock)
    for batch in (1, 2, 4):
        assert costs.step(batch) == pytest.approx(0.002)
        assert costs.decode(batch) == pytest.approx(0.003)
    assert costs.encode(("png", 1)) == pytest.approx(0.001)
    assert costs.encode(("png", 8)) == pytest.approx(0.008)
    assert costs.encode(("webp", 8)) == pytest.approx(0.004)
    assert not model.taken


def test_every_stage_is_measured(clock: ManualClock, model: FakeModel) -> None:
    """Of a model whose later codes take longer than the first, and whose decodes then take less."""
    model.stages = (0, 3)
    seen: set[tuple[int, ...]] = set()
    decode = model.decode

    def spied(slots: Sequence[int]) -> Decoded:
        seen.add(tuple(len(model.taken[slot][0].codes) for slot in slots))
        return decode(slots)

    model.decode = spied  # type: ignore[method-assign]
    costs = warm_up(model, lambda *_: b"", [("png", 1)], clock)
    assert seen == {(0,), (3,), (0, 0), (3, 3), (0,) * 4, (3,) * 4}
    assert costs.step(4) == pytest.approx(model.step_s)
    assert not model.taken


@pytest.mark.parametrize(
    ("media", "kinds"),
    [
        (
            Media(type="image", shape=(3, 8, 8)),
            [(name, scale) for name in ("png", "webp", "jpeg", "npy") for scale in (1, 8)],
        ),
        (Media(type="image", shape=(2, 8, 8)), [("npy", 1), ("npy", 8)]),
        (Media(type="audio", shape=(1, 16), sample_rate=16_000), [(name, 1) for name in ("wav", "flac", "ogg", "npy")]),
        (Media(type="audio", shape=(9, 16), sample_rate=16_000), [("wav", 1), ("ogg", 1), ("npy", 1)]),
    ],
)
def test_the_encodings_that_a_media_has_are_measured(media: Media, kinds: list[Kind]) -> None:
    assert kinds_of(media) == kinds


def test_warm_up_with_the_real_encoder(clock: ManualClock, model: FakeModel) -> None:
    media = Media(type="image", shape=(1, 2, 2))  # the fake model's
    assert list(warm_up(model, partial(encode, media), kinds_of(media), clock).encodes.table()) == kinds_of(media)


def test_buckets_for_which_there_is_no_memory_are_done_without(clock: ManualClock, model: FakeModel) -> None:
    model.most["decode"] = 2
    costs = warm_up(model, lambda *_: b"", [("png", 1)], clock)
    assert (costs.steps.largest, costs.decodes.largest) == (2, 2)
    assert costs.decode(4) == pytest.approx(2 * costs.decode(2))
    assert not model.taken
    model.most["decode"] = 0
    with pytest.raises(torch.OutOfMemoryError):
        warm_up(model, lambda *_: b"", [("png", 1)], clock)
