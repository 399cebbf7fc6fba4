"""A tiny study from its file to the page: trained, gone on with, shared with another study, and reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from toy_data import toy_split, write_idx_folder
from toy_study import UNORDERED, write_study
from typer.testing import CliRunner, Result

import anytime
from models.errors import AnytimeError
from training import pipeline
from training.report.collect import ReportError
from training.report.kept import keep_studies
from training.state import ResumeError
from training.study.folder import FACTS, StudyFolder

FIGURES = [{"figure": figure, "claim": f"Claim {figure}."} for figure in ("3a", "3b", "4a", "4b", "5", "10")]
# Enough for an autoencoder that beats the mean image, which the evaluation demands.
SET = {
    "stages": {"autoencoder": {"epochs": 12, "learning_rate": 0.01}, "ordered": {"epochs": 4}, "prior": {"epochs": 1}},
    "evaluate": {"fractions": [0.2, 0.8, 1.0], "classifier_epochs": 1},
}


@pytest.fixture(autouse=True)
def determinism_as_before() -> Iterator[None]:
    before = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(90, seed=1))


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of two variants and two seeds."""
    folder = tmp_path_factory.mktemp("study")
    before = torch.get_deterministic_debug_mode()
    result = study(write_study(folder, figures=FIGURES, set=SET), data, folder / "runs")
    torch.set_deterministic_debug_mode(before)
    assert "4 runs: 20 stages to do, 2 shared with other runs, 0 done" in result.output
    return folder / "runs"


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(anytime.app, [*map(str, arguments)], catch_exceptions=False)


def study(file: Path, data: Path, out: Path, *options: str) -> Result:
    return command("study", file, "--data", data, "--out", out, "--threads", "1", *options)


def test_all_runs_are_complete_and_judged_by_the_same_extractor(runs: Path) -> None:
    folder = StudyFolder(runs)
    index = folder.index("toy")
    found = [(entry.variant, entry.seed) for entry in index.runs]
    assert found == [("ordered", 0), ("ordered", 1), ("unordered", 0), ("unordered", 1)]
    reports = [json.loads((folder.run(entry.run) / "evaluation/report.json").read_text()) for entry in index.runs]
    assert len({report["extractor"]["name"] for report in reports}) == 1
    assert [report["extractor"]["seed"] for report in reports] == [0] * 4
    assert len(list(folder.judges.glob("*.safetensors"))) == 1
    assert [[part["fraction"] for part in report["samples"]["fractions"]] for report in reports] == [[0.2, 0.8, 1]] * 4
    assert all((folder.run(entry.run) / "bundle/bundle.json").is_file() for entry in index.runs)
    assert all(json.loads((folder.run(entry.run) / FACTS).read_text())["threads"] == 1 for entry in index.runs)


def test_a_finished_study_does_nothing(runs: Path, data: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (runs / "runs").rglob("*.safetensors")}
    result = study(write_study(tmp_path, figures=FIGURES, set=SET), data, runs)
    assert "4 runs: 0 stages to do, 0 shared with other runs, 22 done" in result.output
    assert {path: path.stat().st_mtime_ns for path in (runs / "runs").rglob("*.safetensors")} == before


def test_another_study_trains_only_what_is_new(runs: Path, data: Path, tmp_path: Path) -> None:
    longer = {"set": {"stages": {"prior": {"epochs": 2}}}}
    other = write_study(tmp_path, "other", variants={"ordered": {}, "unordered": UNORDERED, "longer": longer}, set=SET)
    options = ("--seeds", "0", "--variants", "ordered,longer")
    planned = study(other, data, runs, *options, "--plan")
    assert "2 runs: 3 stages to do, 3 shared with other runs, 6 done" in planned.output
    assert not (runs / "studies/other.json").exists()

    study(other, data, runs, *options)
    index = StudyFolder(runs).index("other")
    by_variant = {entry.variant: StudyFolder(runs).run(entry.run) for entry in index.runs}
    for stage in ("autoencoder", "ordered", "codes"):
        one, two = (by_variant[variant] / f"{stage}.safetensors" for variant in ("ordered", "longer"))
        assert one.samefile(two)
    one, two = (by_variant[variant] / "prior.safetensors" for variant in ("ordered", "longer"))
    assert one.read_bytes() != two.read_bytes()
    assert json.loads((by_variant["longer"] / FACTS).read_text())["shared"] == ["autoencoder", "ordered", "codes"]


def test_a_begun_run_is_gone_on_with_if_asked(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = write_study(tmp_path, set=SET), tmp_path / "runs"
    chosen = ("--seeds", "1", "--variants", "ordered")

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    for stage in ("evaluate", "export"):  # tested with the other runs
        monkeypatch.setitem(pipeline.STAGE_FUNCTIONS, stage, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setitem(pipeline.STAGE_FUNCTIONS, "prior", stopped)
        result = study(file, data, out, *chosen)
    assert (result.exit_code, "with --resume goes on" in result.output) == (130, True)
    with pytest.raises(ResumeError, match="ordered with seed 1 was begun and not finished; go on with --resume"):
        study(file, data, out, *chosen)
    result = study(file, data, out, *chosen, "--resume")
    assert "1 runs: 3 stages to do, 0 shared with other runs, 3 done" in result.output
    assert StudyFolder(out).index("toy").runs[0].seed == 1


class Page(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_has_every_figure_and_needs_nothing_else(runs: Path, tmp_path: Path) -> None:
    result = command("report", "--study", "toy", "--runs", runs, "--out", tmp_path)
    assert result.exit_code == 0
    page = Page(tmp_path / "index.html")
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert "script" not in page.tags
    assert all(f"Claim {request['figure']}." in page.text for request in FIGURES)
    assert "4 runs" not in page.text

    written = json.loads((tmp_path / "results.json").read_text())
    section, *others = written["studies"]
    assert [other["study"] for other in others] == ["eight-bits", "training-speed"]
    assert [figure["figure"] for figure in section["figures"]] == ["3a", "3b", "4a", "4b", "5", "10"]
    assert all(figure["verdicts"] and figure["outcome"] for figure in section["figures"])
    distance = section["figures"][2]["numbers"]["series"][0]
    assert distance["x"] == [0.2, 0.8, 1]
    assert [point["count"] for point in distance["points"]] == [2, 2, 2]

    summary = (tmp_path / "README.md").read_text(encoding="utf-8")
    pictures = [line.split("](")[1].rstrip(")") for line in summary.splitlines() if line.startswith("![")]
    assert pictures
    assert all((tmp_path / picture).is_file() for picture in pictures)
    (speeds,) = [line for line in summary.splitlines() if line.startswith("| codes |")]
    assert "1 thread" in speeds


def test_what_is_kept_of_runs_draws_the_same_report(runs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    def report(source: Path, out: str) -> tuple[str | Path, ...]:
        return "report", "--study", "toy", "--runs", source, "--out", tmp_path / out, "--keep", kept

    # Timing is measured on the way: the first report measures, and the second one reads what that has kept.
    assert "Kept 4 runs in" in command(*report(runs, "a")).output
    command(*report(kept, "b"))
    figures = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a/figures").iterdir()]
    for name in (Path("results.json"), Path("README.md"), *figures):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    files = [file for file in kept.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".png"}
    sources = {file.relative_to(kept): (runs / file.relative_to(kept)).stat().st_size for file in files}
    assert sum(file.stat().st_size for file in files) <= sum(sources.values())


def test_seeds_that_were_trained_at_several_places_are_kept_together(runs: Path, tmp_path: Path) -> None:
    index = StudyFolder(runs).index("toy")
    for seed in (0, 1):
        part = StudyFolder(tmp_path / str(seed))
        for entry in index.runs:
            if entry.seed == seed:
                shutil.copytree(StudyFolder(runs).run(entry.run), part.run(entry.run))
                part.record(index.study, entry)
    kept = tmp_path / "kept"
    assert keep_studies([tmp_path / "0"], [], kept) == 2
    assert keep_studies([tmp_path / "1"], [], kept) == 2
    assert StudyFolder(kept).index("toy") == index
    assert len(list(StudyFolder(kept).runs.iterdir())) == 4

    # A run that takes the place of another leaves nothing of that behind.
    first, *_ = index.runs
    shutil.copytree(StudyFolder(runs).run(first.run), StudyFolder(tmp_path / "0").run("again"))
    StudyFolder(tmp_path / "0").record(index.study, first.model_copy(update={"run": "again"}))
    keep_studies([tmp_path / "0"], [], kept)
    assert sorted(run.name for run in StudyFolder(kept).runs.iterdir()) == sorted(
        {run.run for run in index.runs} - {first.run} | {"again"}
    )


def test_a_report_of_single_runs(runs: Path, tmp_path: Path) -> None:
    folders = sorted((runs / "runs").iterdir())[:2]
    result = command("report", *folders, "--out", tmp_path)
    assert result.exit_code == 0
    assert "Reconstruction error by code length" in Page(tmp_path / "index.html").text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs folders of runs, or --runs"),
        (["RUNS", "--study", "toy"], "needs folders of runs, or --runs"),
        (["--runs", "RUNS", "--study", "none"], "holds no runs of a study 'none', only of: "),
        (["RUNS"], "holds no run, there is no state.json in it"),
    ],
)
def test_what_cannot_be_reported_is_one_sentence(runs: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    given = [str(runs) if argument == "RUNS" else argument for argument in arguments]
    with pytest.raises(AnytimeError, match=said):
        command("report", *given, "--out", tmp_path)


def test_an_unevaluated_run_is_not_reported(data: Path, runs: Path, tmp_path: Path) -> None:
    key = StudyFolder(runs).index("toy").runs[0].run
    state = json.loads((StudyFolder(runs).run(key) / "state.json").read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run/state.json").write_text(json.dumps({**state, "completed": ["autoencoder"]}))
    with pytest.raises(ReportError, match="is not evaluated yet"):
        command("report", tmp_path / "run", "--out", tmp_path / "report")
