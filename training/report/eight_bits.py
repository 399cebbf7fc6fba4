"""What eight bits cost the models of a report's runs, beside full precision, as a section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

from models.config import Frozen
from training.evaluation.intervals import Proportion
from training.evaluation.report import EightBitFacts, EightBitFractionFacts
from training.report.collect import Finished
from training.report.drawing import Drawn, Table
from training.report.section import Part, Section

HEADINGS = (
    "model",
    "codes",
    "FD",
    "with eight bits",
    "greatest ratio",
    "recognised",
    "with eight bits",
    "decoder, RMS",
    "decoder, largest",
    "codes that agree",
    "passed",
)
NOTE = (
    "The executor native-int8 beside full precision, on samples of the same seeds and labels; means over runs. A run "
    "has passed if no distance is more than 2% above that of full precision; its bundle says so, and --executor auto "
    "then computes with eight bits. Decoders are compared on the same codes, in 8-bit grey levels, or 1 / 32,768 of "
    "full scale."
)


class Row(Frozen):
    """One row as JSON: means over runs, but the greatest ratio and difference of any.

    Attributes:
        passed: how many of the `runs`.
    """

    model: str
    fraction: float
    codes: int
    full_precision: float
    eight_bit: float
    ratio: float
    recognised_full_precision: float | None
    recognised_eight_bit: float | None
    decoded_rms: float
    decoded_largest: float
    agreement: float
    runs: int
    passed: int


def eight_bit_section(named: Iterable[tuple[str, Finished]]) -> Section | None:
    """The table of all models, by what they are called; None if none of their runs was checked."""
    found: dict[str, list[EightBitFacts]] = {}
    met: set[Path] = set()
    for name, run in named:
        place, facts = run.directory.resolve(), run.report.eight_bit
        if isinstance(facts, EightBitFacts) and place not in met:
            met.add(place)  # a run that several studies share counts once
            found.setdefault(name, []).append(facts)
    if not found:
        return None
    rows = [row for name, checked in found.items() for row in _rows(name, checked)]
    drawn = Drawn(
        pictures=(),
        tables=(Table(headings=HEADINGS, rows=tuple(map(_cells, rows))),),
        verdicts=(),
        numbers={"rows": [row.model_dump() for row in rows]},
        notes=(NOTE,),
    )
    return Section("eight-bits", "Eight bits", (Part("", "Samples with eight bits", "", drawn),))


def _rows(name: str, checked: Sequence[EightBitFacts]) -> Iterator[Row]:
    pairs = [(facts, part) for facts in checked for part in facts.fractions]
    for place in sorted({(part.fraction, part.codes) for _, part in pairs}):
        yield _row(name, [(facts, part) for facts, part in pairs if (part.fraction, part.codes) == place])


def _row(name: str, pairs: Sequence[tuple[EightBitFacts, EightBitFractionFacts]]) -> Row:
    parts = [part for _, part in pairs]
    return Row(
        model=name,
        fraction=parts[0].fraction,
        codes=parts[0].codes,
        full_precision=fmean(part.full_precision for part in parts),
        eight_bit=fmean(part.eight_bit for part in parts),
        ratio=max(part.ratio for part in parts),
        recognised_full_precision=_mean_share(part.recognised_full_precision for part in parts),
        recognised_eight_bit=_mean_share(part.recognised_eight_bit for part in parts),
        decoded_rms=fmean(part.decoded.rms for part in parts),
        decoded_largest=max(part.decoded.largest for part in parts),
        agreement=fmean(facts.agreement for facts, _ in pairs),
        runs=len(pairs),
        passed=sum(facts.passed for facts, _ in pairs),
    )


def _mean_share(shares: Iterable[Proportion | None]) -> float | None:
    """None of data with a single class."""
    known = [share.value for share in shares if share is not None]
    return fmean(known) if known else None


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.model,
        f"{row.codes} ({row.fraction:g})",
        f"{row.full_precision:.2f}",
        f"{row.eight_bit:.2f}",
        f"{row.ratio:.4f}",
        *(
            "n/a" if share is None else f"{share:.1%}"
            for share in (row.recognised_full_precision, row.recognised_eight_bit)
        ),
        f"{row.decoded_rms:.3g}",
        f"{row.decoded_largest:.3g}",
        f"{row.agreement:.1%}",
        f"{row.passed} of {row.runs}",
    )
