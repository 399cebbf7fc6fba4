"""What eight bits cost: `native-int8` beside full precision, on samples of the same seeds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.bundle.manifest import EIGHT_BIT_LIMIT, EIGHT_BIT_REVISION, EightBitCheck, EightBitDistance
from models.bundle.networks import Networks
from models.runtime.choice import EIGHT_BIT, choose, obstacle
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.sampling_loop import decode_codes, draw_codes
from training.data.dataset import FULL_SCALE
from training.evaluation.classifier import Judge
from training.evaluation.frechet import FrechetReference
from training.evaluation.intervals import proportion
from training.evaluation.reconstruction import as_stored
from training.evaluation.report import (
    DecodedDifference,
    EightBitFacts,
    EightBitFractionFacts,
    FractionFacts,
    Report,
    SampleFacts,
)
from training.evaluation.samples import DECODED_AT_ONCE, SAMPLED_AT_ONCE, Samples

DECODED_TWICE = 1000
# How many steps 1.0 is of what samples are stored in, and what these are called.
STEPS = {
    "image": (FULL_SCALE[torch.uint8], "8-bit grey levels"),
    "audio": (FULL_SCALE[torch.int16], "steps of 1 / 32,768 of full scale"),
}


def check(
    networks: Networks, judge: Judge, reference: FrechetReference, drawn: Samples, sampled: SampleFacts
) -> EightBitFacts | str:
    """What eight bits cost a model, or why that cannot be found out here.

    Args:
        drawn: the samples in full precision.
        sampled: what was found about them.
    """
    reason = obstacle(networks.prior.config.kind, networks.prior.device.type)
    if reason is not None:
        return f"not checked with {EIGHT_BIT}: {reason}"
    slots = min(SAMPLED_AT_ONCE, len(drawn.codes))
    model = build_model(networks.autoencoder, networks.prior, slots, EIGHT_BIT)
    return compare(model, networks, judge, reference, drawn, sampled)


def compare(
    model: OrderedModel,
    networks: Networks,
    judge: Judge,
    reference: FrechetReference,
    drawn: Samples,
    sampled: SampleFacts,
) -> EightBitFacts:
    """Draw with another executor what was drawn in full precision, and judge what that decodes.

    Args:
        model: of that executor, on the CPU, with all its slots free.
    """
    codes = draw_codes(model, drawn.labels.tolist(), sampled.seed, sampled.sampling)
    same = codes == drawn.codes
    samples = Samples(codes, drawn.labels)
    fractions = tuple(
        _fraction(facts, model, networks, judge, reference, samples, drawn.codes) for facts in sampled.fractions
    )
    return EightBitFacts(
        executor=model.executor.name,
        beside=choose(networks.prior.config.kind, networks.prior.device.type),
        revision=EIGHT_BIT_REVISION,
        samples=len(codes),
        decoded_twice=min(DECODED_TWICE, len(codes)),
        decoded_steps=STEPS[networks.manifest.media.type][1],
        agreement=same.double().mean().item(),
        agreement_first=same[:, 0].double().mean().item(),
        agreement_last=same[:, -1].double().mean().item(),
        fractions=fractions,
        passed=all(each.ratio <= EIGHT_BIT_LIMIT for each in fractions),
    )


def recorded(report: Report) -> EightBitCheck | None:
    """What the bundle says of what a report found; None if that is nothing."""
    facts = report.eight_bit
    return facts.recorded(report.distance.name) if isinstance(facts, EightBitFacts) else None


def summary(report: Report) -> str:
    """What a report found, or why it did not, in a line."""
    facts = report.eight_bit
    if not isinstance(facts, EightBitFacts):
        return facts or "not checked"
    worst = max(facts.fractions, key=lambda each: each.ratio)
    return (
        f"{'passed' if facts.passed else 'NOT passed'}: {facts.agreement:.1%} of the codes agree with {facts.beside}, "
        f"and the distance is at most {worst.ratio - 1:+.2%} off ({worst.codes} codes)"
    )


def _fraction(
    full: FractionFacts,
    model: OrderedModel,
    networks: Networks,
    judge: Judge,
    reference: FrechetReference,
    samples: Samples,
    codes: Tensor,
) -> EightBitFractionFacts:
    """At one fraction; `codes` (N, K) are those of full precision."""
    media, features, hits = networks.manifest.media, [], 0
    for rows in torch.split(torch.arange(len(codes)), DECODED_AT_ONCE):
        judged = judge.judge(as_stored(decode_codes(model, samples.codes[rows, : full.codes]), media))
        features.append(judged.features)
        hits += int((judged.predictions == samples.labels[rows]).sum())
    found = EightBitDistance(
        codes=full.codes,
        full_precision=full.distance.value,
        eight_bit=reference.distance(torch.cat(features)),
    )
    return EightBitFractionFacts(
        fraction=full.fraction,
        **found.model_dump(),
        ratio=found.ratio,
        recognised_full_precision=full.recognition,
        recognised_eight_bit=proportion(hits, len(codes)) if full.recognition else None,
        decoded=_difference(model, networks, codes[:DECODED_TWICE, : full.codes]),
    )


@torch.inference_mode()
def _difference(model: OrderedModel, networks: Networks, codes: Tensor) -> DecodedDifference:
    """What the executor decodes from the first codes of samples (N, n), beside what PyTorch does."""
    autoencoder, media = networks.autoencoder, networks.manifest.media
    missing = networks.manifest.codes - codes.shape[1]
    count, noise, signal, largest = 0, 0.0, 0.0, 0.0
    for chunk in torch.split(codes, DECODED_AT_ONCE):
        lengths = torch.full((len(chunk),), codes.shape[1])
        plain = autoencoder.decode_codes(torch.nn.functional.pad(chunk, (0, missing)), lengths).double()
        off = decode_codes(model, chunk).double() - plain
        count += off.numel()
        noise += off.square().sum().item()
        signal += plain.square().sum().item()
        largest = max(largest, off.abs().max().item())
    scale, _ = STEPS[media.type]
    return DecodedDifference(
        rms=scale * math.sqrt(noise / count),
        largest=scale * largest,
        snr_db=10 * math.log10(signal / noise) if media.type == "audio" and noise > 0 and signal > 0 else None,
    )
