"""Verdicts of figures on invented numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy_study import invented, recipe_with, together, without_ordering

from training.report.collect import Finished, ReportError, Runs, check_comparable
from training.report.figures import (
    data_size,
    distance,
    gains,
    modern,
    priors,
    reconstruction,
    samples,
    tailored,
    truncation,
)
from training.report.figures.first_code import intraclass_correlation
from training.report.figures.gains import disorder_of
from training.report.figures.timing import bend_of
from training.report.section import Section, study_section
from training.speed import Place, Speeds, StageSpeed
from training.study.options import FigureRequest, Study, Variant

FALLING = (10, 6, 4, 3, 2.4, 2.1, 2)
IRREGULAR = (10, 14, 13, 6, 8, 3, 2.05)
NEAR, FAR = (50, 30, 22, 21, 20), (90, 70, 50, 40, 30)


def ordered(seed: int, distances: tuple[float, ...] = NEAR, errors: tuple[float, ...] = FALLING) -> Finished:
    return invented(recipe_with(seed), [e + seed / 100 for e in errors], [d + seed for d in distances])


def unordered(seed: int, distances: tuple[float, ...] = FAR, errors: tuple[float, ...] = IRREGULAR) -> Finished:
    return invented(without_ordering(seed), [e + seed / 90 for e in errors], [d + seed * 1.1 for d in distances])


def both() -> Runs:
    return together(ordered=[ordered(seed) for seed in range(3)], unordered=[unordered(seed) for seed in range(3)])


def test_disorder_is_the_share_of_rises() -> None:
    assert disorder_of([4, 3, 2, 1]) == 0
    assert disorder_of([1, 3, 0]) == pytest.approx(2 / 4)


def test_figure_3a_holds_and_does_not() -> None:
    drawn = gains.draw(both())
    assert [verdict.outcome for verdict in drawn.verdicts] == ["holds"]
    assert [line["name"] for line in drawn.numbers["series"]] == ["ordered", "unordered", "PCA"]
    swapped = together(ordered=[ordered(0, errors=IRREGULAR)], unordered=[unordered(0, errors=FALLING)])
    assert gains.draw(swapped).verdicts[0].outcome == "does not hold for one seed"


def test_figure_3b_says_which_of_its_parts_hold() -> None:
    outcomes = [verdict.outcome for verdict in reconstruction.draw(both()).verdicts]
    assert outcomes == ["holds", "holds", "holds", "holds"]
    worse = together(ordered=[ordered(0)], unordered=[unordered(0, errors=(10, 5, 4.5, 4, 3, 2.5, 1.9))])
    sentences = [verdict.sentence for verdict in reconstruction.draw(worse).verdicts]
    assert "does not hold for one seed (not at n = 1; least difference -1 at n = 1)" in sentences[0]
    assert "holds for one seed" in sentences[1]
    assert "does not hold for one seed" in sentences[2]
    assert "does not hold for one seed" in sentences[3]


def test_modern_against_faithful_is_judged_by_area_full_length_and_distance() -> None:
    def judged(errors: tuple[float, ...], distances: tuple[float, ...]) -> list[str]:
        seeds = range(3)
        runs = together(
            ordered=[ordered(seed) for seed in seeds],
            unordered=[unordered(seed) for seed in seeds],
            modern=[ordered(seed, distances, errors) for seed in seeds],
        )
        drawn = modern.draw(runs)
        assert [row[0] for row in drawn.tables[0].rows] == ["area under the error, 1 to K codes"]  # no time measured
        return [verdict.outcome for verdict in drawn.verdicts]

    # The faithful one's area is 19.9, and unordered codes end at 2.05.
    better = (10, 4, 3, 2.5, 2, 1.5, 1)
    assert judged(better, (40, 25, 20, 19, 18)) == ["holds", "holds", "holds"]
    assert judged((10, 5, 3.5, 2.5, 2, 1.5, 1), (*NEAR[:4], 21)) == ["does not hold", "holds", "does not hold"]
    assert judged((10, 2, 2.5, 2.5, 2.4, 2.3, 2.2), (40, 25, 20, 19, 18)) == ["holds", "does not hold", "holds"]


def test_the_time_of_training_is_shown_where_all_were_measured() -> None:
    place = Place(machine="any", device="cpu", threads=1, processes=1)

    def timed(run: Finished) -> Finished:
        stages = tuple(
            StageSpeed(stage=name, place=place, samples=200, seconds=4.0, waiting=0.0)
            for name in ("autoencoder", "ordered")
        )
        return replace(run, speeds=Speeds(stages=stages))

    runs = together(ordered=[timed(ordered(0))], unordered=[timed(unordered(0))], modern=[timed(ordered(0))])
    stages = runs.first("ordered").recipe.stages
    assert stages.autoencoder is not None
    assert stages.ordered is not None
    seconds = (stages.autoencoder.epochs + stages.ordered.epochs) * 100 * 4 / 200
    (_, shown) = modern.draw(runs).tables[0].rows
    assert shown[:2] == ("seconds of training the autoencoder", f"{seconds:.4g}")


def test_figure_4a_is_paired_by_seed() -> None:
    drawn = distance.draw(both())
    better, lossless = drawn.verdicts
    assert better.outcome == "holds"
    assert better.differences["0.2"].value == pytest.approx(40.1)
    assert better.differences["0.2"].count == 3
    assert lossless.outcome == "holds"
    point = drawn.numbers["series"][0]["points"][0]
    assert (point["value"], point["count"]) == (51, 3)
    # The seeds differ by more than the two variants do, each pair always by as much.
    apart = [[(50 + 30 * seed + worse,) * 5 for seed in range(3)] for worse in (0, 2)]
    close = together(
        ordered=[ordered(seed, apart[0][seed]) for seed in range(3)],
        unordered=[unordered(seed, apart[1][seed]) for seed in range(3)],
    )
    assert distance.draw(close).verdicts[0].outcome == "holds"


def test_fractions_that_differ_cannot_be_drawn_together() -> None:
    other = invented(without_ordering(0), IRREGULAR, (3, 2, 1), fractions=(0.25, 0.5, 1.0))
    with pytest.raises(ReportError, match="evaluated at different fractions"):
        distance.draw(together(ordered=[ordered(0)], unordered=[other]))
    with pytest.raises(ReportError, match=r"was not evaluated at the fraction 0\.2"):
        distance.distance_at(other, 0.2)


def test_figure_8a_knows_where_the_pixelcnn_may_win() -> None:
    runs = together(
        transformer=[ordered(0, (50, 30, 22, 21, 20))],
        lstm=[ordered(0, (51, 31, 23, 22, 21))],
        pixelcnn=[ordered(0, (45, 40, 35, 30, 25))],
    )
    outcomes = [verdict.outcome for verdict in priors.draw(runs).verdicts]
    assert outcomes == ["holds for one seed"] * 2


def geometric(rate: float, distances: tuple[float, ...]) -> Finished:
    stages = recipe_with(0).stages.model_dump(mode="json")
    stages["ordered"]["truncation"] = {"law": "geometric", "rate": rate}
    return invented(recipe_with(0, stages=stages), FALLING, distances)


def test_figure_8bc_takes_the_mildest_and_the_strongest_law() -> None:
    runs = together(
        uniform=[ordered(0)],
        strong=[geometric(0.5, (45, 30, 30, 29, 28))],
        mild=[geometric(0.1, (51, 31, 23, 22, 21))],
    )
    drawn = truncation.draw(runs)
    assert [line["name"] for line in drawn.numbers["series"]] == ["uniform", "mild", "strong"]
    mild, strong = drawn.verdicts
    assert (mild.outcome, strong.outcome) == ("holds for one seed",) * 2
    assert list(strong.differences) == ["0.6", "0.8", "1"]
    assert strong.differences["1"].value == pytest.approx(28 - 1.1 * 20)


def sized(recipe: object, images: int, distance_of_all: float) -> Finished:
    assert not isinstance(recipe, str)
    return invented(recipe, FALLING, (90, 80, 70, 60, distance_of_all), train_images=images)  # type: ignore[arg-type]


def test_figure_9a_pairs_by_size_and_compares_neighbours() -> None:
    runs = together(
        ordered=[sized(recipe_with(0), 1000, 20)],
        unordered=[sized(without_ordering(0), 1000, 25)],
        ordered_100=[sized(recipe_with(0), 100, 40)],
        unordered_100=[sized(without_ordering(0), 100, 60)],
    )
    nearer, grows = data_size.draw(runs).verdicts
    assert {place: found.value for place, found in nearer.differences.items()} == {"100 images": 20, "1,000 images": 5}
    assert grows.differences["100 against 1,000 images"].value == 15


def test_figure_9b_compares_at_equal_numbers_of_codes() -> None:
    short = invented(without_ordering(0), (10, 5, 3), (70, 60, 50, 45, 40))  # 2 codes
    full = invented(without_ordering(0), FALLING, FAR)  # 6 codes
    odd = invented(without_ordering(0), (10, 5, 4, 3), (9, 8, 7, 6, 5))  # 3 codes, where the ordered was not measured
    runs = together(ordered=[ordered(0)], tailored_2=[short], tailored_6=[full], tailored_3=[odd])
    longer, shortest = tailored.draw(runs).verdicts
    assert {place: found.value for place, found in longer.differences.items()} == {"6 codes": 10}
    assert {place: found.value for place, found in shortest.differences.items()} == {"2 codes": 30 - 40}


def test_a_line_does_not_bend_and_a_parabola_does() -> None:
    assert bend_of([1, 2, 3], [10, 20, 30]) == pytest.approx(0)
    assert bend_of([1, 2, 3], [1, 4, 9]) == pytest.approx(2 / 3 / 9)


def test_intraclass_correlation_of_known_cases() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 10, 4, generator=generator, dtype=torch.float64)
    centres = torch.randn(200, 1, 4, generator=generator, dtype=torch.float64)
    assert abs(intraclass_correlation(noise)) < 0.02
    assert intraclass_correlation(centres.expand(200, 10, 4)) == pytest.approx(1)
    assert intraclass_correlation(noise + centres) == pytest.approx(0.5, abs=0.05)
    assert intraclass_correlation(noise[:1]) == 0


def test_runs_that_cannot_be_compared_are_refused() -> None:
    other = invented(recipe_with(1), FALLING, NEAR, extractor="another")
    with pytest.raises(ReportError, match=r"cannot be compared: their extractor differs \(invented and another\)"):
        check_comparable([ordered(0), other])


def test_a_figure_whose_runs_are_missing_says_so() -> None:
    study = Study(
        name="toy",
        title="Toy",
        base={},
        variants={"ordered": Variant(), "unordered": Variant()},
        figures=(FigureRequest(figure="4a", claim="c"),),
    )
    (part,) = study_section(study, together(ordered=[ordered(0)])).parts
    assert (part.drawn, part.missing, part.judgement) == (None, "no run of unordered is finished", None)
    (part,) = study_section(study, together(ordered=[ordered(0)], unordered=[unordered(1)])).parts
    assert part.missing == "ordered, unordered have no finished seed in common"


def test_a_caption_says_how_many_seeds_there_are() -> None:
    assert distance.draw(both()).pictures[0].caption.endswith("; mean over 3 seeds and 95% band")
    once = together(ordered=[ordered(0)], unordered=[unordered(0)])
    assert distance.draw(once).pictures[0].caption.endswith("; one seed, no interval is known")
    uneven = together(ordered=[ordered(0), ordered(1)], unordered=[unordered(0)])
    said = "; mean over 1 to 2 seeds and 95% band where there is more than one"
    assert distance.draw(uneven).pictures[0].caption.endswith(said)


def truncations(**runs: Finished) -> Section:
    """The section of a study of four laws with three seeds, of which these runs are finished."""
    study = Study(
        name="laws",
        title="Laws",
        base={},
        variants=dict.fromkeys(("uniform", "mild", "strong", "odd"), Variant()),
        figures=(FigureRequest(figure="8bc", claim="Little."),),
    )
    return study_section(study, together(**{name: [run] for name, run in runs.items()}))


def test_a_section_names_the_runs_that_are_missing() -> None:
    section = truncations(uniform=ordered(0), mild=geometric(0.1, NEAR), strong=geometric(0.5, FAR))
    assert dict(section.facts)["runs"] == (
        "3 of 12 finished, without uniform, mild, strong (seeds 1, 2); odd (seeds 0, 1, 2)"
    )
    (part,) = section.parts
    assert part.drawn is not None
    assert part.drawn.notes[-1] == "Not in it: odd, of which no run is finished."
    (undrawn,) = truncations(mild=geometric(0.1, NEAR)).parts
    assert undrawn.sentence == "Not drawn: no run of uniform is finished."


def test_nothing_is_said_of_missing_runs_where_all_are_finished() -> None:
    seeds = range(3)
    variants = {"ordered": Variant(), "unordered": Variant()}
    figure = FigureRequest(figure="4a", claim="Near.")
    study = Study(name="s", title="S", base={}, variants=variants, figures=(figure,))
    section = study_section(study, both())
    assert "runs" not in dict(section.facts)
    assert len(both().all()) == len(variants) * len(seeds)


def test_without_classes_nothing_is_said_to_be_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_one_class(run: Finished) -> Finished:
        fractions = tuple(f.model_copy(update={"recognition": None}) for f in run.report.samples.fractions)
        sampled = run.report.samples.model_copy(update={"fractions": fractions})
        return replace(run, report=run.report.model_copy(update={"samples": sampled}))

    monkeypatch.setattr(samples, "evaluation_pictures", lambda *_: [])
    runs = together(ordered=[of_one_class(ordered(0))], unordered=[of_one_class(unordered(0))])
    drawn = samples.draw(runs)
    assert not drawn.verdicts
    assert not drawn.tables
    assert "single class" in drawn.notes[0]
