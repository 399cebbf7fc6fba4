from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.runtime.sampling import draw


def reference(logits: list[float], uniform: float, temperature: float, top_k: int, top_p: float) -> int:
    """One row, in plain words: soften, keep the k best, then those whose share reaches p, and invert the sum."""
    scaled = np.array(logits, dtype=np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    ranking = sorted(range(len(weights)), key=lambda code: -weights[code])[:top_k]
    total, reached, kept = weights[ranking].sum(), 0.0, []
    for code in ranking:
        if reached < top_p * total:
            kept.append(code)
        reached += weights[code]
    target = uniform * weights[kept].sum()
    for code in sorted(kept):
        target -= weights[code]
        if target < 0:
            return code
    return max(kept)


def one(logits: list[float], uniform: float, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> int:
    drawn = draw(
        torch.tensor([logits]),
        torch.tensor([uniform], dtype=torch.float64),
        torch.tensor([temperature], dtype=torch.float64),
        torch.tensor([top_k or len(logits)]),
        torch.tensor([top_p], dtype=torch.float64),
    )
    return int(drawn[0])


LOGITS = st.lists(st.integers(-30, 30), min_size=2, max_size=12, unique=True).map(lambda ints: [i / 7 for i in ints])


@given(LOGITS, st.floats(0.001, 0.999), st.floats(0.2, 3), st.integers(1, 12), st.floats(0.05, 1))
def test_draw_agrees_with_the_plain_definition(
    logits: list[float], uniform: float, temperature: float, top_k: int, top_p: float
) -> None:
    top_k = min(top_k, len(logits))
    drawn = one(logits, uniform, temperature, top_k, top_p)
    # A uniform number or a share of probability within rounding of an edge may fall on either side of it.
    nearby = {
        reference(logits, min(max(uniform + du, 0), 1), temperature, top_k, min(top_p + dp, 1.0))
        for du in (-1e-6, 0, 1e-6)
        for dp in (-1e-6, 0, 1e-6)
    }
    assert drawn in nearby


def test_the_ends_of_the_unit_interval_draw_kept_codes() -> None:
    logits = [-40.0, 2.0, 1.0, 0.0, -40.0]
    assert one(logits, 0.0, top_k=3) == 1
    assert one(logits, 1 - 2**-32, top_k=3) == 3
    assert one(logits, 1 - 2**-32, top_k=1) == 1
    assert one(logits, 0.5, top_p=1e-9) == 1


def test_frequencies_follow_the_distribution() -> None:
    uniforms = torch.arange(10_000, dtype=torch.float64) / 10_000
    logits = torch.log(torch.tensor([0.1, 0.2, 0.3, 0.4])).expand(10_000, 4)
    ones = torch.ones(10_000, dtype=torch.float64)
    counts = torch.bincount(draw(logits, uniforms, ones, torch.full((10_000,), 4), ones))
    assert (counts - torch.tensor([1000, 2000, 3000, 4000])).abs().max() <= 1


def test_rows_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(16, 9, generator=generator)
    uniforms = torch.rand(16, dtype=torch.float64, generator=generator)
    top_k = torch.randint(1, 10, (16,), generator=generator)
    top_p = torch.rand(16, dtype=torch.float64, generator=generator) * 0.9 + 0.1
    ones = torch.ones(16, dtype=torch.float64)
    together = draw(logits, uniforms, ones, top_k, top_p)
    alone = [one(logits[i].tolist(), float(uniforms[i]), 1.0, int(top_k[i]), float(top_p[i])) for i in range(16)]
    assert together.tolist() == alone


def test_a_promise_that_nothing_is_restricted_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 9, generator=generator)
    uniforms = torch.rand(500, dtype=torch.float64, generator=generator)
    ones = torch.ones(500, dtype=torch.float64)
    everything = (logits, uniforms, ones, torch.full((500,), 9), ones)
    assert torch.equal(draw(*everything, restricted=False), draw(*everything))
