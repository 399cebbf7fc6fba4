"""The section on eight bits, on invented numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy_study import invented, recipe_with

from models.bundle.manifest import EIGHT_BIT_REVISION
from training.evaluation.intervals import proportion
from training.evaluation.report import DecodedDifference, EightBitFacts, EightBitFractionFacts
from training.report.collect import Finished
from training.report.eight_bits import eight_bit_section
from training.report.page import page
from training.report.summary import markdown

FULL = (40.0, 20.0)


def run_with(seed: int, eight_bit: tuple[float, float] | str | None) -> Finished:
    """A run whose full precision is at `FULL`."""
    run = replace(invented(recipe_with(seed), (10, 5, 2), FULL, fractions=(0.5, 1.0)), directory=Path(f"run-{seed}"))
    found = facts(seed, eight_bit) if isinstance(eight_bit, tuple) else eight_bit
    return replace(run, report=run.report.model_copy(update={"eight_bit": found}))


def facts(seed: int, eight_bit: tuple[float, float]) -> EightBitFacts:
    fractions = tuple(
        EightBitFractionFacts(
            fraction=fraction,
            codes=codes,
            full_precision=full,
            eight_bit=eight,
            ratio=eight / full,
            recognised_full_precision=proportion(80, 100),
            recognised_eight_bit=proportion(78, 100),
            decoded=DecodedDifference(rms=0.1, largest=0.5 + seed),
        )
        for fraction, codes, full, eight in zip((0.5, 1.0), (1, 2), FULL, eight_bit, strict=True)
    )
    return EightBitFacts(
        executor="native-int8",
        beside="native",
        revision=EIGHT_BIT_REVISION,
        samples=100,
        decoded_twice=100,
        decoded_steps="8-bit grey levels",
        agreement=0.9 + seed / 100,
        agreement_first=1,
        agreement_last=0.8,
        fractions=fractions,
        passed=max(eight / full for eight, full in zip(eight_bit, FULL, strict=True)) <= 1.02,
    )


def test_runs_of_a_model_are_one_row_for_each_fraction() -> None:
    good, bad = run_with(0, (40.2, 20.0)), run_with(1, (40.4, 22.0))
    section = eight_bit_section([("toy", good), ("toy", bad), ("again", good), ("other", run_with(2, (30, 20)))])
    assert section is not None
    (part,) = section.parts
    assert part.drawn is not None
    rows = part.drawn.numbers["rows"]
    assert [(row["model"], row["codes"], row["runs"], row["passed"]) for row in rows] == [
        ("toy", 1, 2, 1),
        ("toy", 2, 2, 1),
        ("other", 1, 1, 1),
        ("other", 2, 1, 1),
    ]
    assert rows[1]["full_precision"] == 20
    assert rows[1]["eight_bit"] == pytest.approx(21)
    assert rows[1]["ratio"] == pytest.approx(1.1)
    assert rows[1]["decoded_largest"] == 1.5
    assert rows[0]["agreement"] == pytest.approx(0.905)
    cells = part.drawn.tables[0].rows[1]
    assert cells == ("toy", "2 (1)", "20.00", "21.00", "1.1000", "80.0%", "78.0%", "0.1", "1.5", "90.5%", "1 of 2")
    assert len(part.drawn.tables[0].headings) == len(cells)
    for text in (page("Report", [section]), markdown("Report", [section], "results.json")):
        assert "Samples with eight bits" in text
        assert "1 of 2" in text
        assert "more than 2% above" in text


@pytest.mark.parametrize("eight_bit", [None, "not checked with native-int8: it is for CPUs"])
def test_without_a_checked_run_there_is_no_section(eight_bit: str | None) -> None:
    assert eight_bit_section([("toy", run_with(0, eight_bit))]) is None
    assert eight_bit_section([]) is None
