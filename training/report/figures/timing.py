"""Fig. 4b: the time that sampling takes by fraction of the codes, prior and decoder apart.

Measured when the figure is first drawn, on the machine that draws it, so nothing else should be busy there then.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.samples import codes_for
from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, line_plot, numbers, over_seeds, series, table
from training.report.figures.distance import common_fractions, fraction_axis, places
from training.report.sampling_time import BATCH, sampling_time
from training.report.statistics import mean_interval
from training.report.verdicts import decide

STRAIGHT = 0.1  # "linear": nowhere further from the straight line than this share of the longest time
NEGLIGIBLE = 0.1  # of the prior's time; the paper's decoder took 24 s where its prior took 610 s


def draw(runs: Runs) -> Drawn:
    """The figure, of the ordered model; seeds are repeats of the measurement."""
    fractions = common_fractions(runs, ("ordered",))
    lines = [
        series(runs, "ordered", fractions, lambda run: _times(run, fractions)[0], name="prior"),
        series(runs, "ordered", fractions, lambda run: _times(run, fractions)[1], name="decoder"),
        series(runs, "ordered", fractions, lambda run: _total(run, fractions), name="both"),
    ]
    bend = runs.values("ordered", lambda run: STRAIGHT - bend_of(fractions, _total(run, fractions)))
    spare = runs.values(
        "ordered", lambda run: NEGLIGIBLE - _times(run, fractions)[1][-1] / _times(run, fractions)[0][-1]
    )
    verdicts = (
        decide(
            f"The time grows linearly with the codes, to within {STRAIGHT:.0%} of the longest",
            {"all fractions": mean_interval(list(bend.values()))},
        ),
        decide(
            f"With all codes the decoder takes less than {NEGLIGIBLE:.0%} of the prior's time",
            {"1": mean_interval(list(spare.values()))},
        ),
    )
    at = places(fractions)
    ticks, label = fraction_axis(list(runs.variants["ordered"].values()), fractions)
    plot = line_plot(lines, f"Time to sample a batch of {BATCH}", label, "milliseconds", ticks=ticks, from_zero=True)
    time = sampling_time(runs.first("ordered"))
    facts = f"{time.machine}, {time.threads} thread(s), executor {time.executor}, median of {time.repeats}"
    return Drawn(
        pictures=(Picture("time", f"Milliseconds per batch of {BATCH}: {facts}; {over_seeds(lines)}", plot),),
        tables=(table("fraction", at, lines),),
        verdicts=verdicts,
        numbers={**numbers(lines), "measured on": facts},
        notes=(f"Measured on {facts}.",),
    )


def bend_of(x: Sequence[float], y: Sequence[float]) -> float:
    """The largest distance of y from its least-squares line over x, as a share of the largest y."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0
    return max(abs(b - mean_y - slope * (a - mean_x)) for a, b in zip(x, y, strict=True)) / max(y)


def _times(run: Finished, fractions: Sequence[float]) -> tuple[list[float], list[float]]:
    """Milliseconds of the prior and of the decoder at each fraction."""
    time = sampling_time(run)
    at = [codes_for(fraction, run.report.codes) - 1 for fraction in fractions]
    return [1e3 * time.prior_seconds[n] for n in at], [1e3 * time.decoder_seconds[n] for n in at]


def _total(run: Finished, fractions: Sequence[float]) -> list[float]:
    return [prior + decoder for prior, decoder in zip(*_times(run, fractions), strict=True)]
