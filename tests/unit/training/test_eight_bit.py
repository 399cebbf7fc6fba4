"""The check of eight bits, with the real executor and with ones that are made to disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from factories import PRIORS, tiny_audio_manifest, tiny_manifest, tiny_networks
from numpy.typing import NDArray
from torch import Tensor

from models.bundle.manifest import EIGHT_BIT_REVISION
from models.bundle.networks import Networks
from models.native import library
from models.runtime.choice import choose
from models.runtime.executors import build_model
from models.runtime.native import NativeExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.sampling_loop import decode_codes, draw_codes, sample_codes
from models.runtime.weights import Parameters
from training.evaluation import samples
from training.evaluation.classifier import Judgement, Task
from training.evaluation.eight_bit import DECODED_TWICE, check, compare
from training.evaluation.frechet import FrechetReference
from training.evaluation.intervals import around, proportion
from training.evaluation.report import EightBitFacts, FractionFacts, SampleFacts
from training.evaluation.samples import Samples

COUNT, SEED, SLOTS = 240, 5, 64
CPU = torch.device("cpu")


class PixelJudge:
    """Features are the first pixels; a picture's label is the class of its brightness."""

    name, epochs = "pixels", 0
    task: Task = "labels"

    def judge(self, images: Tensor) -> Judgement:
        features = images.flatten(1)[:, :32].double()
        return Judgement(features, features.mean(1).long() % 3)


class OtherCodes(NativeExecutor):
    """Reports other codes than it has drawn."""

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        return [[(code + 1) % 8 for code in row] for row in super().codes(slots)]


class BlankPictures(NativeExecutor):
    """Decodes nothing but black."""

    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        return np.zeros_like(super().decode(slots))


class HalfAStepOff(NativeExecutor):
    """Decodes with half a grey level added."""

    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        return super().decode(slots) + np.float32(0.5 / 255)


def model_of(kind: type[NativeExecutor], networks: Networks, *, eight_bit: bool = True) -> OrderedModel:
    kernels = library.kernels()
    assert kernels is not None
    parameters = Parameters.of_networks(networks.autoencoder, networks.prior)
    return OrderedModel(parameters.vocabulary, kind(parameters, SLOTS, kernels, eight_bit=eight_bit))


class World:
    """A tiny model, its samples in full precision and how far they are from samples of other seeds."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.judge = networks, PixelJudge()
        labels = torch.arange(COUNT) % 3
        self.drawn = samples.draw(networks, labels, SEED)
        real = samples.draw(networks, labels, SEED + 1)
        self.reference = FrechetReference(self.judge.judge(samples.decode(networks, real.codes, 6, CPU)).features)
        self.sampled = SampleFacts(
            count=COUNT,
            seed=SEED,
            sampling=networks.manifest.sampling,
            fractions=tuple(self._fraction(n) for n in (1, 3, 6)),
            distance_drop=(),
        )

    def compare(self, model: OrderedModel) -> EightBitFacts:
        return compare(model, self.networks, self.judge, self.reference, self.drawn, self.sampled)

    def _fraction(self, n: int) -> FractionFacts:
        judged = samples.judge_at(self.judge, self.networks, self.drawn.codes, n, CPU)
        hits = int((judged.predictions == self.drawn.labels).sum())
        return FractionFacts(
            fraction=n / 6,
            codes=n,
            distance=around(self.reference.distance(judged.features), 0),
            recognition=proportion(hits, COUNT),
            recognition_by_label={},
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World(tiny_networks())


def test_full_precision_agrees_with_itself(world: World) -> None:
    facts = world.compare(model_of(NativeExecutor, world.networks, eight_bit=False))
    assert (facts.agreement, facts.agreement_first, facts.agreement_last, facts.passed) == (1, 1, 1, True)
    for found, full in zip(facts.fractions, world.sampled.fractions, strict=True):
        assert (found.fraction, found.codes) == (full.fraction, full.codes)
        assert found.full_precision == full.distance.value
        assert found.ratio == pytest.approx(1, abs=1e-3)  # a rounding may move a pixel by a grey level
        assert found.recognised_full_precision == full.recognition
        assert found.recognised_eight_bit is not None
        assert full.recognition is not None
        assert found.recognised_eight_bit.value == pytest.approx(full.recognition.value, abs=0.02)
        assert 0 <= found.decoded.rms <= found.decoded.largest < 0.01
        assert found.decoded.snr_db is None


def test_what_is_found_of_eight_bits_is_what_that_executor_draws_and_decodes(world: World) -> None:
    networks = world.networks
    facts = check(networks, world.judge, world.reference, world.drawn, world.sampled)
    assert isinstance(facts, EightBitFacts)
    assert (facts.executor, facts.beside, facts.revision) == ("native-int8", "native", EIGHT_BIT_REVISION)
    assert (facts.samples, facts.decoded_twice) == (COUNT, min(COUNT, DECODED_TWICE))
    model = build_model(networks.autoencoder, networks.prior, 16, "native-int8")
    codes = draw_codes(model, world.drawn.labels.tolist(), SEED, networks.manifest.sampling)
    assert facts.agreement == pytest.approx((codes == world.drawn.codes).double().mean().item())
    assert facts.agreement_last == pytest.approx((codes == world.drawn.codes)[:, -1].double().mean().item())
    assert 0.5 < facts.agreement <= facts.agreement_first <= 1
    last = facts.fractions[-1]
    pictures = decode_codes(model, codes).mul(255).round().to(torch.uint8)
    assert last.eight_bit == pytest.approx(world.reference.distance(world.judge.judge(pictures).features))
    assert last.ratio == pytest.approx(last.eight_bit / last.full_precision)
    assert facts.passed == all(each.ratio <= 1.02 for each in facts.fractions)


def test_an_executor_that_draws_other_codes_is_found_out(world: World) -> None:
    facts = world.compare(model_of(OtherCodes, world.networks))
    assert facts.agreement < 0.5
    assert not facts.passed


def test_an_executor_that_decodes_nothing_fails_and_auto_leaves_it_alone(world: World) -> None:
    facts = world.compare(model_of(BlankPictures, world.networks))
    assert facts.agreement > 0.5  # its codes are right
    assert all(each.ratio > 1.02 for each in facts.fractions)
    assert max(each.decoded.largest for each in facts.fractions) > 100
    assert not facts.passed
    assert choose("transformer", "cpu", "auto", facts.recorded("FD")) == "native"
    good = facts.model_copy(
        update={"fractions": tuple(each.model_copy(update={"eight_bit": 0.0}) for each in facts.fractions)}
    )
    assert choose("transformer", "cpu", "auto", good.recorded("FD")) == "native-int8"


def test_the_decoders_difference_is_in_grey_levels_and_not_of_the_codes(world: World) -> None:
    facts = world.compare(model_of(HalfAStepOff, world.networks, eight_bit=False))
    for each in facts.fractions:
        assert each.decoded.rms == pytest.approx(0.5, abs=0.01)
        assert each.decoded.largest == pytest.approx(0.5, abs=0.01)
    assert facts.decoded_steps == "8-bit grey levels"


def test_clips_are_compared_by_their_signal_to_noise_ratio() -> None:
    world = World(tiny_networks(tiny_audio_manifest()))
    facts = world.compare(model_of(HalfAStepOff, world.networks, eight_bit=False))
    clips = samples.decode(world.networks, world.drawn.codes, 6, CPU).double() / 32768
    expected = 10 * math.log10(clips.square().mean().item() / (0.5 / 255) ** 2)
    assert facts.fractions[-1].decoded.snr_db == pytest.approx(expected, abs=0.1)
    assert facts.fractions[-1].decoded.rms == pytest.approx(0.5 / 255 * 32768, rel=0.01)
    assert facts.decoded_steps == "steps of 1 / 32,768 of full scale"


def test_where_it_cannot_be_had_the_reason_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tiny_networks(tiny_manifest(prior=PRIORS["pixelcnn"]))
    drawn = Samples(world.drawn.codes, world.drawn.labels)
    found = check(other, world.judge, world.reference, drawn, world.sampled)
    assert found == ("not checked with native-int8: it is for Transformers, and this model's prior is of kind pixelcnn")
    monkeypatch.setattr(library, "kernels", lambda: None)
    found = check(world.networks, world.judge, world.reference, drawn, world.sampled)
    assert found == "not checked with native-int8: it was not built while installing, which needs a C++ compiler"


def test_given_codes_are_decoded_in_as_many_rounds_as_there_are_slots(world: World) -> None:
    networks = world.networks
    model = build_model(networks.autoencoder, networks.prior, 7, "native")
    codes = sample_codes(networks, [0] * 20, 1, networks.manifest.sampling)
    for n in (1, 4, 6):
        plain = networks.autoencoder.decode_codes(codes, torch.full((20,), n))
        assert torch.allclose(decode_codes(model, codes[:, :n]), plain, atol=1e-5)
    assert torch.equal(draw_codes(model, [0] * 20, 1, networks.manifest.sampling), codes)  # its slots are free again
