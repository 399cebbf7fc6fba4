from __future__ import annotations

from pathlib import Path

import pytest
from toy_recipe import toy_recipe

from training.files import CheckpointError
from training.state import STATE, ResumeError, check_folder, open_state


def test_a_run_is_begun_and_found_again(tmp_path: Path) -> None:
    state = open_state(tmp_path, toy_recipe(), "data")
    assert state.completed == ()
    state.with_completed("autoencoder").with_completed("ordered").write(tmp_path)
    assert open_state(tmp_path, toy_recipe(), "data").completed == ("autoencoder", "ordered")


def test_another_recipe_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    recipe = toy_recipe()
    open_state(tmp_path, recipe, "data")
    prior = recipe.stages.prior.model_copy(update={"epochs": 9})
    other = recipe.model_copy(update={"stages": recipe.stages.model_copy(update={"prior": prior})})
    with pytest.raises(ResumeError, match=r"with another recipe, stages\.prior\.epochs was 3 and is now 9"):
        open_state(tmp_path, other, "data")


def test_other_data_is_refused(tmp_path: Path) -> None:
    open_state(tmp_path, toy_recipe(), "data")
    with pytest.raises(ResumeError, match="with other data than"):
        open_state(tmp_path, toy_recipe(), "other")


@pytest.mark.parametrize("content", ["{}", "[]", '{"recipe": 1, "data": "x"}'])
def test_a_state_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE).write_text(content)
    with pytest.raises(ResumeError, match="is not the state of a run"):
        open_state(tmp_path, toy_recipe(), "data")


def test_a_damaged_state(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text('{"recipe"')
    with pytest.raises(CheckpointError, match="is not valid JSON"):
        open_state(tmp_path, toy_recipe(), "data")


def test_folders_that_a_run_may_start_in(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", resume=False)
    check_folder(tmp_path / "new", resume=True)
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty", resume=False)
    (tmp_path / "run").mkdir()
    open_state(tmp_path / "run", toy_recipe(), "data")
    check_folder(tmp_path / "run", resume=True)
    assert not (tmp_path / "new").exists()


def test_folders_that_it_may_not(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ResumeError, match="is not empty; choose another --out, or go on with --resume"):
        check_folder(tmp_path, resume=False)
    with pytest.raises(ResumeError, match="holds no run to resume"):
        check_folder(tmp_path, resume=True)
    with pytest.raises(ResumeError, match=r"letter\.txt: is not a folder"):
        check_folder(tmp_path / "letter.txt", resume=True)
