from __future__ import annotations

from typing import Any

import pytest

from models.config import SamplingDefaults
from training.evaluation import claims
from training.evaluation.intervals import Estimate, proportion
from training.evaluation.report import Claim, Curve, FractionFacts, ReconstructionFacts, SampleFacts

SURE, UNSURE, HARM = (
    Estimate(value=1, low=0.5, high=1.5),
    Estimate(value=1, low=-0.5, high=2.5),
    Estimate(value=-1, low=-2, high=0),
)


def checked(
    gain: Estimate = SURE, below: Estimate = SURE, drop: Estimate = SURE, hits: int | None = 900
) -> dict[str, Claim]:
    curve = Curve(errors=(SURE,) * 3, errors_per_pixel=(1, 1, 1), gains=(SURE, gain))
    reconstruction = ReconstructionFacts(
        images=2, model=curve, pca=curve, pca_clamped=curve, below_pca=(below, SURE), quality=None
    )
    fractions = tuple(
        FractionFacts(fraction=f, codes=n, distance=SURE, recognition=share, recognition_by_label={})
        for f, n, share in ((0.5, 1, proportion(0, 1000)), (1.0, 2, None if hits is None else proportion(hits, 1000)))
    )
    sampled = SampleFacts(count=1000, seed=0, sampling=SamplingDefaults(), fractions=fractions, distance_drop=(drop,))
    return {claim.name: claim for claim in claims.check(reconstruction, sampled)}


def test_all_hold_where_all_numbers_are_good() -> None:
    found = checked()
    assert list(found) == ["error_falls", "below_pca", "recognised", "distance_falls"]
    assert all(claim.holds and claim.beyond_noise for claim in found.values())


@pytest.mark.parametrize(
    ("name", "argument"), [("error_falls", "gain"), ("below_pca", "below"), ("distance_falls", "drop")]
)
def test_one_bad_number_breaks_its_claim_alone(name: str, argument: str) -> None:
    harm: dict[str, Any] = {argument: HARM}
    doubt: dict[str, Any] = {argument: UNSURE}
    bad, doubtful = checked(**harm), checked(**doubt)
    assert [claim.name for claim in bad.values() if not claim.holds] == [name]
    assert [claim.name for claim in doubtful.values() if not claim.holds] == []
    assert [claim.name for claim in doubtful.values() if not claim.beyond_noise] == [name]
    assert HARM in bad[name].values


def test_where_there_is_one_class_nothing_is_claimed_of_recognition() -> None:
    assert list(checked(hits=None)) == ["error_falls", "below_pca", "distance_falls"]


def test_nothing_gained_is_not_a_gain() -> None:
    assert not checked(gain=Estimate(value=0, low=0, high=0))["error_falls"].holds


@pytest.mark.parametrize(
    ("hits", "holds", "beyond_noise"), [(799, False, False), (800, True, False), (840, True, True)]
)
def test_recognition_needs_four_in_five(hits: int, holds: bool, beyond_noise: bool) -> None:
    claim = checked(hits=hits)["recognised"]
    assert (claim.holds, claim.beyond_noise) == (holds, beyond_noise)
    assert claim.threshold == 0.8
    assert claim.values[0].value == hits / 1000
