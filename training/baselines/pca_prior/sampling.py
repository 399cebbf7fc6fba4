"""Drawing whole sequences of symbols."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.prior import Prior
from models.runtime.incremental import incremental
from models.runtime.randomness import code_uniforms
from models.runtime.sampling import draw

AT_ONCE = 20


@torch.inference_mode()
def sample(prior: Prior, count: int, seed: int) -> Tensor:
    """Draw `count` sequences without a label, (count, D) int64 on the host; sequence i is keyed by (seed, i)."""
    parts = [_sample(prior, range(start, min(start + AT_ONCE, count)), seed) for start in range(0, count, AT_ONCE)]
    return torch.cat(parts)


def _sample(prior: Prior, indices: range, seed: int) -> Tensor:
    count, device = len(indices), prior.device
    stepper = incremental(prior, count)
    slots = torch.arange(count, device=device)
    uniforms = torch.from_numpy(np.stack([code_uniforms(seed, index, prior.codes) for index in indices])).to(device)
    plain = torch.ones(count, dtype=torch.float64, device=device)  # temperature 1, nothing left out
    tokens, drawn = torch.full_like(slots, prior.vocabulary.start_token(None)), list[Tensor]()
    for position in range(prior.codes):
        logits = stepper.step(tokens, torch.full_like(slots, position), slots)
        tokens = draw(logits, uniforms[:, position], plain, plain, plain, restricted=False)
        drawn.append(tokens)
    return torch.stack(drawn, dim=1).cpu()
