"""What a report of a hierarchical model claims."""

from __future__ import annotations

from training.evaluation.claims import above
from training.evaluation.intervals import Estimate
from training.evaluation.report import Claim
from training.hierarchical.report import HierarchicalSampleFacts, LadderFacts


def claims_of(
    drawing_helps: str, sampled: HierarchicalSampleFacts, ladder: LadderFacts, labels: int
) -> tuple[Claim, ...]:
    """That drawing helps, that more codes do, and that labels tell.

    Args:
        drawing_helps: the first, as a sentence.
        labels: how many there are.
    """
    claims = [
        above("drawing_helps", drawing_helps, (sampled.distance_drop,)),
        above("codes_help", "Samples of all codes are nearer to real images than those of none.", (ladder.drop,)),
    ]
    if sampled.drawn.recognition is not None:
        share = sampled.drawn.recognition
        claims.append(
            above(
                "labels_tell",
                "The extractor recognises more of the conditional samples than it would by chance.",
                (Estimate(value=share.value, low=share.low, high=share.high),),
                1 / labels,
            )
        )
    return tuple(claims)
