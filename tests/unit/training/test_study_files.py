from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import BASE, FIGURE, UNORDERED, recipe_with, study_values, without_ordering, write_study

from models.config import LSTMConfig
from models.errors import RecipeError
from training.recipe import BUNDLED as RECIPES
from training.report.figures.registry import FIGURES
from training.report.needs import ALL_FIGURES, BASELINE_FIGURES, NEEDED
from training.state import RunState, StageName
from training.study.folder import Entry, StudyFolder
from training.study.keys import essence, run_key, stage_keys
from training.study.options import Study, bundled_studies, load_study, recipe_of
from training.study.plan import finished_stages, make_job, plan, select

LSTM = {"kind": "lstm", "layers": 2, "width": 16}


def test_every_bundled_study_is_valid_and_its_recipes_are() -> None:
    paper = ("data-size", "ordering", "ordering-emoji", "priors", "quantisation", "speech", "tailored", "truncation")
    assert bundled_studies() == tuple(sorted((*paper, "modern")))
    for name in bundled_studies():
        study = load_study(name)
        assert study.name == name
        assert [recipe_of(study, variant, 1).seed for variant in study.variants] == [1] * len(study.variants)


def test_every_figure_of_the_paper_that_is_an_experiment_of_ours_has_a_study() -> None:
    asked = {request.figure for name in bundled_studies() for request in load_study(name).figures}
    of_baselines = {figure for figure, _ in BASELINE_FIGURES.values()}
    assert asked == set(NEEDED)
    assert asked | of_baselines == set(FIGURES) == set(ALL_FIGURES)
    assert not asked & of_baselines


def test_unordered_baselines_see_the_data_as_often_as_ordered_models() -> None:
    """Epochs times images of the autoencoder, over all stages and in all studies."""
    for name in bundled_studies():
        study, passes = load_study(name), set()
        for variant in study.variants:
            recipe = recipe_of(study, variant, 0)
            if recipe.autoencoder.kind == "residual":
                continue  # as long a training, but not as many epochs
            stages = recipe.stages
            epochs = sum(stage.epochs for stage in (stages.autoencoder, stages.ordered) if stage)
            images = recipe.data.limit or 58000
            passes.add((epochs * images, stages.prior.epochs * images))
        assert len(passes) == 1, name


def test_studies_share_their_baselines() -> None:
    def keys(study: str, variant: str) -> dict[StageName, str]:
        return stage_keys(recipe_of(load_study(study), variant, 0), "data")

    assert keys("ordering", "ordered") == keys("truncation", "uniform") == keys("priors", "transformer")
    assert keys("ordering", "unordered") == keys("tailored", "tailored-16") == keys("data-size", "unordered")
    assert keys("ordering", "ordered")["prior"] == keys("quantisation", "channel")["prior"]
    assert keys("ordering", "ordered")["evaluate"] != keys("quantisation", "channel")["evaluate"]


def test_variants_remove_and_set(tmp_path: Path) -> None:
    variants = {
        "ordered": {"set": {"stages": {"prior": {"epochs": 9}}, "codebook": {"learning": "average"}}},
        "unordered": UNORDERED,
        "lstm": {"remove": ["prior"], "set": {"prior": LSTM}},
    }
    study = load_study(str(write_study(tmp_path, variants=variants, set={"data": {"limit": 77}})))
    ordered, unordered, lstm = (recipe_of(study, name, 5) for name in variants)
    assert (ordered.stages.prior.epochs, ordered.stages.prior.batch) == (9, 32)
    assert ordered.codebook.learning == "average"
    assert unordered.stages.ordered is None
    assert lstm.prior == LSTMConfig(layers=2, width=16)
    assert {recipe.data.limit for recipe in (ordered, unordered, lstm)} == {77}
    assert {recipe.seed for recipe in (ordered, unordered, lstm)} == {5}
    assert BASE["stages"]["ordered"] is not None


def test_a_base_is_found_beside_the_study_or_by_name(tmp_path: Path) -> None:
    (tmp_path / "smoke.toml").write_text((RECIPES / "smoke.toml").read_text().replace("codes = 8", "codes = 7"))
    assert recipe_of(load_study(str(write_study(tmp_path, base="smoke.toml"))), "ordered", 0).autoencoder.codes == 7
    (tmp_path / "smoke.toml").unlink()
    assert recipe_of(load_study(str(write_study(tmp_path, base="smoke"))), "ordered", 0).autoencoder.codes == 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"titel": "x"}, "titel: is not a field of a study"),
        ({"seeds": [1, 1]}, "seeds: seeds must be distinct"),
        ({"seeds": []}, "seeds: tuple should have at least 1 item"),
        ({"variants": {"ordered": {}}}, "variants: figure 4a needs one with the name 'unordered'"),
        ({"figures": [{"figure": "99", "claim": ""}]}, "figures: there is no figure '99', only 2, 3a"),
        ({"variants": {"ordered": {"sets": {}}}}, "variants.ordered.sets: is not a field of a study"),
        (
            {"variants": {"ordered": {"set": {"stages": {"prior": {"epoch": 1}}}}, "unordered": UNORDERED}},
            "variant 'ordered': stages.prior.epoch: is not a field of a recipe",
        ),
        (
            {"variants": {"ordered": {}, "unordered": {"remove": ["stages.order"]}}},
            "variant 'unordered': remove: stages.order is not in the base recipe",
        ),
        (
            {"variants": {"ordered": {}, "unordered": {"set": {"prior": LSTM}}}},
            "variant 'unordered': prior.feed_forward: is not a field of a recipe (and 1 more)",
        ),
        ({"base": "absent"}, "absent: no such recipe file, nor one of the bundled recipes"),
    ],
)
def test_a_bad_study_is_one_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load_study(str(write_study(tmp_path, **changes)))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_study_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"none: no such study file, nor one of the bundled studies \(data-size, "):
        load_study("none")


def test_variants_and_seeds_are_chosen_seed_by_seed(tmp_path: Path) -> None:
    study = load_study(str(write_study(tmp_path)))
    assert select(study, None, None) == [("ordered", 0), ("unordered", 0), ("ordered", 1), ("unordered", 1)]
    assert select(study, ["unordered"], [7]) == [("unordered", 7)]
    with pytest.raises(RecipeError, match="toy has no variant 'x', only ordered, unordered"):
        select(study, ["x"], None)


def test_a_key_ignores_names_and_nothing_else() -> None:
    recipe = recipe_with(0)
    renamed = recipe.model_copy(update={"name": "other", "description": "Other."})
    assert run_key(recipe, "d") == run_key(renamed, "d")
    others = [
        run_key(recipe, "e"),
        run_key(recipe_with(1), "d"),
        run_key(recipe_with(0, evaluate={"classifier_epochs": 3}), "d"),
    ]
    assert len({run_key(recipe, "d"), *others}) == 4


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"evaluate": {"samples_per_class": 3}}, ["autoencoder", "ordered", "codes", "prior"]),
        ({"sampling": {"temperature": 0.5}}, ["autoencoder", "ordered", "codes", "prior"]),
        ({"prior": LSTM}, ["autoencoder", "ordered", "codes"]),
        ({"labels": ["a", "b", "c"]}, ["autoencoder", "ordered", "codes"]),
        ({"stages": {**BASE["stages"], "ordered": {"epochs": 9}}}, ["autoencoder"]),
        ({"data": {"validation": 60, "limit": 9}}, []),
        ({"codebook": {"learning": "average"}}, []),
    ],
)
def test_a_stage_is_shared_by_recipes_that_differ_after_it(changes: dict[str, Any], same: list[str]) -> None:
    one, two = stage_keys(recipe_with(0), "d"), stage_keys(recipe_with(0, **changes), "d")
    assert [stage for stage in one if one[stage] == two[stage]] == same


def test_unordered_codes_are_other_codes() -> None:
    one, two = stage_keys(recipe_with(0), "d"), stage_keys(without_ordering(0), "d")
    assert one["autoencoder"] == two["autoencoder"]
    assert {"ordered"} == one.keys() - two.keys()
    assert not {one[stage] for stage in one if stage != "autoencoder"} & set(two.values())


def test_a_value_that_is_the_default_leaves_no_trace_but_the_kind_does() -> None:
    plain, spelt = recipe_with(0).stages.prior, recipe_with(0).stages.prior.model_copy(update={"precision": "float32"})
    assert essence(plain) == essence(spelt)
    assert essence(LSTMConfig(layers=2, width=16)) == {"kind": "LSTMConfig", "layers": 2, "width": 16}


STAGES = ("autoencoder", "ordered", "codes", "prior")


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_plan_does_each_stage_once(done: int, elsewhere: int) -> None:
    """Two runs that differ in their evaluation only, of which either may have come some way."""
    recipes = recipe_with(0), recipe_with(0, evaluate={"samples_per_class": 3})
    jobs = [make_job("x", 0, recipe, "d") for recipe in recipes]
    states = {
        job.key: RunState(recipe=job.recipe, data="d", completed=STAGES[:count])
        for job, count in zip(jobs, (done, elsewhere), strict=True)
    }
    first, second = plan(jobs, states)
    assert first.done == STAGES[:done]
    assert first.shared == STAGES[done:elsewhere]
    assert first.to_do == (*STAGES[max(done, elsewhere) :], "evaluate", "export")
    assert (second.done, second.shared) == (STAGES[:elsewhere], STAGES[elsewhere:])
    assert second.to_do == ("evaluate", "export")
    assert len(finished_stages(states)) == max(done, elsewhere)


def test_the_same_run_twice_is_done_once() -> None:
    job = make_job("a", 0, recipe_with(0), "d")
    first, second = plan([job, make_job("b", 0, recipe_with(0), "d")], {})
    assert first.to_do == (*STAGES, "evaluate", "export")
    assert second.complete


def test_a_study_survives_its_own_json(tmp_path: Path) -> None:
    study = load_study(str(write_study(tmp_path, figures=[FIGURE])))
    assert Study.model_validate_json(study.model_dump_json()) == study
    assert study_values()["title"] == study.title


def test_an_index_forgets_runs_that_the_study_would_not_train_any_more(tmp_path: Path) -> None:
    folder, before = StudyFolder(tmp_path), load_study(str(write_study(tmp_path)))
    now = load_study(str(write_study(tmp_path, set={"stages": {"prior": {"epochs": 8}}})))

    def record(study: Study, variant: str, seed: int, data: str = "d") -> None:
        job = make_job(variant, seed, recipe_of(study, variant, seed), data)
        named = job.recipe.model_copy(update={"labels": ("a", "b", "c")})
        RunState(recipe=named, data=data, completed=("evaluate",)).write(folder.run(job.key))
        folder.record(study, Entry(variant=variant, seed=seed, run=job.key))

    def recorded() -> list[tuple[str, int]]:
        return [(entry.variant, entry.seed) for entry in folder.index("toy").runs]

    for variant, seed in (("unordered", 1), ("ordered", 1), ("ordered", 0)):
        record(before, variant, seed)
    assert recorded() == [("ordered", 0), ("ordered", 1), ("unordered", 1)]
    record(now, "ordered", 0)
    assert recorded() == [("ordered", 0)]
    record(now, "unordered", 0)
    assert recorded() == [("ordered", 0), ("unordered", 0)]
    record(now, "unordered", 1, data="other")
    assert recorded() == [("unordered", 1)]
