"""Fig. 8b and 8c: laws of truncation, and the distance of samples after each."""

from __future__ import annotations

from training.options import Truncation
from training.report.collect import Runs
from training.report.drawing import Drawn, Picture, Series, line_plot, paired
from training.report.figures.distance import common_fractions, distances, draw_distances, places
from training.report.statistics import Interval
from training.report.verdicts import Verdict, decide
from training.truncation import length_shares

LITTLE = 1.1  # "marginally worse" is up to a tenth more distance, "much worse" is more than that
LONG = 0.6  # from which fraction on the strongest law is said to be much worse


def draw(runs: Runs) -> Drawn:
    """The figure; the mildest and the strongest of the geometric laws are held against the uniform one."""
    rates = {variant: law.rate for variant in runs.variants if (law := _law(runs, variant)) and law.rate is not None}
    laws = ["uniform", *sorted(rates, key=lambda variant: rates[variant])]
    mild = (_mild(runs, laws[1]),) if rates else ()
    strong = (_strong(runs, laws[-1]),) if len(rates) > 1 else ()  # one law cannot be both
    drawn = draw_distances(runs, laws, (*mild, *strong))
    codes = runs.first("uniform").report.codes
    shares = [_shares(runs, variant, codes) for variant in laws]
    plot = line_plot(shares, "Laws of truncation", "codes kept", "probability", from_zero=True)
    return Drawn(
        pictures=(Picture("laws", "How probable each number of kept codes is", plot), *drawn.pictures),
        tables=drawn.tables,
        verdicts=drawn.verdicts,
        numbers={**drawn.numbers, "rates": rates},
        notes=drawn.notes,
    )


def _mild(runs: Runs, variant: str) -> Verdict:
    at = places(common_fractions(runs, ("uniform", variant)))
    allowed = paired(
        runs.variants["uniform"],
        runs.variants[variant],
        at,
        lambda run: [LITTLE * distance for distance in distances(run)],
        distances,
    )
    return decide(f"{runs.titles[variant]} is at most {LITTLE - 1:.0%} worse than the uniform law", allowed)


def _strong(runs: Runs, variant: str) -> Verdict:
    fractions = common_fractions(runs, ("uniform", variant))
    at = [place for place, fraction in zip(places(fractions), fractions, strict=True) if fraction >= LONG]
    worse = paired(
        runs.variants[variant],
        runs.variants["uniform"],
        at,
        lambda run: distances(run)[-len(at) :],
        lambda run: [LITTLE * distance for distance in distances(run)[-len(at) :]],
    )
    return decide(
        f"{runs.titles[variant]} is more than {LITTLE - 1:.0%} worse than the uniform law from {LONG:g} on",
        worse,
    )


def _law(runs: Runs, variant: str) -> Truncation | None:
    ordered = runs.first(variant).recipe.stages.ordered
    return ordered.truncation if ordered else None


def _shares(runs: Runs, variant: str, codes: int) -> Series:
    shares = length_shares(_law(runs, variant) or Truncation(), codes).tolist()
    points = tuple(Interval(value=share, low=None, high=None, count=1) for share in shares)
    return Series(name=runs.titles[variant], x=tuple(range(1, codes + 1)), points=points)
