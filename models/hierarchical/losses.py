"""What a level and a prior are trained by (appendix B).

Every term is a mean per symbol of the level's input, in nats or squared error of intensities: over all symbols, or with
masks over those at their centres. The commitment, whose places are fewer, is per symbol as well: it weighs against a
reconstruction as it does in section 2.2, where both are summed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from models.estimators import Estimator, straight_through
from models.hierarchical.hierarchy import ClassConditionalPrior
from models.hierarchical.level import Level
from models.hierarchical.masking import Masks, at_places
from models.hierarchical.residual import intensities


class LevelLosses(NamedTuple):
    """What is minimised together, though no two of the networks that a term is for share a weight; scalars.

    Attributes:
        auxiliary: encoder and auxiliary decoder. Squared error of intensities, negative log-likelihood of codes, or
            with masks the divergence of the auxiliary decoder from the teacher at their centres.
        commitment: encoder.
        teacher: teacher, by negative log-likelihood at the centres; 0 without masks.
        decoder: modulator and local model, by negative log-likelihood. Its gradient reaches neither the codebook nor
            the encoder (section 4).
    """

    auxiliary: Tensor
    commitment: Tensor
    teacher: Tensor
    decoder: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.auxiliary + self.commitment + self.teacher + self.decoder


class LevelPass(NamedTuple):
    """What one pass over a batch gives to learn from.

    Attributes:
        losses: the terms to minimise.
        observed: by channel of the codes, the encoder's vectors (N, D) and the entries that they chose (N,) int64, for
            the channel's `MovingCodebook.observe`; cut off from the gradient.
    """

    losses: LevelLosses
    observed: list[tuple[Tensor, Tensor]]


def level_pass(
    level: Level, x: Tensor, masks: Masks | None, commitment: float, carry: Estimator = straight_through
) -> LevelPass:
    """Algorithms 1 to 3 on one batch.

    Args:
        level: with a teacher just where there are masks.
        x: symbols (B, C, H, W) int64.
        masks: on the device of x.
        commitment: beta of section 2.2; there is no codebook term, since moving averages replace it.
        carry: how the gradient passes the quantiser.
    """
    z = level.encoder(x).float()  # under autocast as well: entries can lie closer together than bfloat16 resolves
    chosen = level.bottleneck(z)
    vectors = chosen.vectors.detach()
    parts = zip(level.bottleneck.parts(z), level.bottleneck.parts(vectors), strict=True)
    carried = torch.cat([carry(of_z, entries) for of_z, entries in parts], dim=-1).movedim(-1, 1)
    if level.teacher is None or masks is None:
        if level.teacher is not None or masks is not None:
            raise ValueError("masks are for a level with a teacher, which needs them")
        auxiliary, teacher = _reconstruction(level, carried, x), z.new_zeros(())
    else:
        auxiliary, teacher = _distillation(level, carried, x, masks)
    logits = level.local(x, level.modulator(vectors))
    committed = (z - vectors).square().sum() / x.numel()
    losses = LevelLosses(auxiliary, commitment * committed, teacher, negative_log_likelihood(logits, x))
    detached = level.bottleneck.parts(z.detach())
    observed = [
        (part.flatten(0, -2), codes.flatten()) for part, codes in zip(detached, chosen.codes.unbind(1), strict=True)
    ]
    return LevelPass(losses, observed)


def negative_log_likelihood(logits: Tensor, symbols: Tensor) -> Tensor:
    """Mean over all symbols, in nats: of logits (..., V) and symbols (...) int64."""
    return cross_entropy(logits.flatten(0, -2), symbols.flatten())


def prior_loss(prior: ClassConditionalPrior, codes: Tensor, labels: Tensor) -> Tensor:
    """Nats per code, of codes (B, C, H, W) int64 and labels (B,) int64."""
    return negative_log_likelihood(prior(codes, labels), codes)


def bits(nats: Tensor) -> Tensor:
    """Of as many nats."""
    return nats / math.log(2)


def _reconstruction(level: Level, vectors: Tensor, x: Tensor) -> Tensor:
    """Algorithm 2."""
    output = level.reconstruct(vectors)
    if level.squared:
        return (output - intensities(x, level.grid, output.dtype)).square().mean()
    return negative_log_likelihood(output, x)


def _distillation(level: Level, vectors: Tensor, x: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Algorithm 3: the divergence of the student from the teacher, and the teacher's own loss.

    The divergence trains the student alone: a teacher that came to meet it would no longer be one.
    """
    assert level.teacher is not None  # noqa: S101 - the caller has seen to it
    taught = level.teacher.head(at_places(level.teacher(x, masks.kept), masks.centres))  # (B, M, C, V)
    learnt = level.head(at_places(level.auxiliary(vectors), masks.centres))
    truth = x.flatten(2).transpose(1, 2).gather(1, masks.centres[..., None].expand(-1, -1, x.shape[1]))  # (B, M, C)
    target = taught.detach().log_softmax(-1)
    divergence = kl_div(learnt.log_softmax(-1), target, reduction="sum", log_target=True) / truth.numel()
    return divergence, negative_log_likelihood(taught, truth)
