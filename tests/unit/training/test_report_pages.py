"""What a report is made of besides figures: results, contents, remarks, speeds, labels of lines, and files."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from toy_reports import invented_vae
from toy_study import invented, recipe_with

from models.errors import RecipeError
from training.report.collect import ReportError
from training.report.compression import MOST_BYTES, compressed
from training.report.contents import contents
from training.report.drawing import Drawn, Picture, Series, Sound, Table, line_plot
from training.report.end_labels import apart
from training.report.files import write_report
from training.report.formats import Format
from training.report.needs import ALL_FIGURES
from training.report.page import page
from training.report.remarks import load_remarks, outdated, with_remarks
from training.report.section import Part, Section
from training.report.statistics import Interval, mean_interval
from training.report.training_speed import speed_section
from training.report.verdicts import decide
from training.speed import Place, Speeds, StageSpeed

DOT = io.BytesIO()
Image.new("L", (1, 1)).save(DOT, "PNG")
CLAIMED = decide("It is so", {"1": Interval(value=1, low=0.5, high=2, count=3)})
PICTURE = Picture("plot", "a plot", DOT.getvalue())
DRAWN = Drawn((PICTURE,), (Table(headings=("a", "b"), rows=(("1", "2"),)),), (CLAIMED,), {"n": 1}, ("A note.",))


def section(name: str = "toy", key: str = "4a", drawn: Drawn | None = DRAWN) -> Section:
    missing = "" if drawn else "no run of x is finished"
    return Section(name, f"Study {name}", (Part(key, "Distance", "Near.", drawn, missing),), (("seeds", "0, 1, 2"),))


def test_the_contents_have_every_figure_of_the_paper_in_its_order() -> None:
    lines = contents([section("b", "10"), section("a", "3a"), section("c", "3a", None)])
    assert [line.name for line in lines][:4] == ["Fig. 2", "Fig. 3a", "Fig. 3a", "Fig. 3b"]
    assert len(lines) == len(ALL_FIGURES) + 1
    said = {(line.name, line.section.name): line.sentence for line in lines if line.section}
    assert said["Fig. 3a", "a"] == "Held: 1 statement holds (3 seeds)."
    assert said["Fig. 3a", "c"] == "Not drawn: no run of x is finished."
    assert {line.sentence for line in lines if not line.section} == {"No finished run."}
    assert [line.name for line in contents([section(key="")])] == ["Distance"]


def test_a_report_replaces_the_one_that_is_there(tmp_path: Path) -> None:
    write_report(tmp_path, "Both", [section("one"), section("two")], Format.BOTH)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"one-4a-plot.png", "two-4a-plot.png"}
    (tmp_path / "figures/mine.png").write_bytes(b"")
    write_report(tmp_path, "One", [section("two")], Format.MARKDOWN)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"mine.png", "two-4a-plot.png"}
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# One" in text
    assert "**Held: 1 statement holds (3 seeds).**" in text
    assert "- It is so: holds (least difference 1 [0.5, 2] at 1)." in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (tmp_path / target).is_file(), target
    (anchor,) = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert anchor == "fig-4a-distance"
    numbers = json.loads((tmp_path / "results.json").read_text())
    assert numbers["pictures"] == ["figures/two-4a-plot.png"]
    assert numbers["studies"][0]["figures"][0]["outcome"] == "held"


def test_markdown_alone_and_html_alone(tmp_path: Path) -> None:
    assert write_report(tmp_path / "m", "T", [section()], Format.MARKDOWN) == [tmp_path / "m/README.md"]
    assert not (tmp_path / "m/index.html").exists()
    assert write_report(tmp_path / "h", "T", [section()], Format.HTML) == [tmp_path / "h/index.html"]
    assert {path.name for path in (tmp_path / "h").iterdir()} == {"index.html", "results.json"}


def test_somebody_elses_readme_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Mine")
    with pytest.raises(ReportError, match="was not made by this command, which would replace it"):
        write_report(tmp_path, "T", [section()], Format.MARKDOWN)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md"}


def test_clips_are_players_in_the_page_alone(tmp_path: Path) -> None:
    clips = tuple(Sound(of, name, b"ogg", "audio/ogg") for of in ("high", "low") for name in ("few", "all"))
    heard = section(drawn=replace(DRAWN, sounds=clips))
    assert page("T", [heard]).count('<audio controls preload="none" src="data:audio/ogg;base64,b2dn">') == 4
    write_report(tmp_path, "T", [heard], Format.MARKDOWN)
    assert "audio" not in (tmp_path / "README.md").read_text(encoding="utf-8")


def remarks_file(folder: Path, result: str, **more: str) -> Path:
    lines = {"figure": "4a", "result": result, "text": "Because.", **more}
    path = folder / "remarks.toml"
    path.write_text("[[remarks]]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items()))
    return path


def test_a_remark_is_shown_for_the_result_it_was_written_for(tmp_path: Path) -> None:
    sections = [section("one"), section("two")]
    fitting = load_remarks(remarks_file(tmp_path, "held", section="two"))
    one, two = with_remarks(sections, fitting)
    assert (one.parts[0].remark, two.parts[0].remark) == ("", "Because.")
    assert "</strong> Because.</p>" in page("T", [two])
    assert not list(outdated(sections, fitting))
    old = load_remarks(remarks_file(tmp_path, "did not hold"))
    assert {part.remark for found in with_remarks(sections, old) for part in found.parts} == {""}
    assert list(outdated(sections, old)) == list(old)


def test_a_bad_file_of_remarks_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"remarks\[0\].result|remarks.0.result"):
        load_remarks(remarks_file(tmp_path, "fine"))
    with pytest.raises(RecipeError, match="cannot be read"):
        load_remarks(tmp_path / "none.toml")


def speeds(*parts: tuple[str, int, float, float], threads: int = 1) -> Speeds:
    place = Place(machine="Abacus", device="cpu", threads=threads, processes=1)
    return Speeds(
        stages=tuple(
            StageSpeed(stage=stage, place=place, samples=samples, seconds=seconds, waiting=waiting)
            for stage, samples, seconds, waiting in parts
        )
    )


def test_speeds_of_equal_models_are_added_up_and_each_run_counts_once() -> None:
    runs = [
        replace(invented(recipe_with(seed), (10, 5), (1,) * 5), directory=Path(f"run{seed}"), speeds=measured)
        for seed, measured in enumerate((speeds(("prior", 100, 10, 1)), speeds(("prior", 300, 10, 1)), Speeds()))
    ]
    baseline = replace(
        invented_vae(0, (3, 2, 1, 0.5), (3, 2, 1, 0.5), (3, 2, 1, 0.5)),
        directory=Path("vae"),
        speeds=speeds(("ordered", 50, 1, 0), threads=2),
    )
    found = speed_section([*runs, runs[0], baseline])
    assert found
    (part,) = found.parts
    assert part.drawn
    assert [(row[0], *row[2:]) for row in part.drawn.tables[0].rows] == [
        ("ordered", "50", "0.00%", "Abacus, 2 threads"),
        ("prior", "20", "10.00%", "Abacus, 1 thread"),
    ]
    assert [row["samples"] for row in part.drawn.numbers["rows"]] == [50, 400]
    assert "were read from memory or from a mapped file: 10.00% at most." in part.drawn.notes[0]
    assert speed_section([runs[2]]) is None


@given(st.lists(st.floats(-1, 2), max_size=8))
def test_names_do_not_overlap_and_keep_their_order(places: list[float]) -> None:
    moved = apart(places, 0.1)
    order = sorted(range(len(places)), key=lambda index: places[index])
    ranked = [moved[index] for index in order]
    assert all(above - below >= 0.1 - 1e-6 for below, above in pairwise(ranked))
    if sorted(places) == places and all(b - a > 0.11 for a, b in pairwise(places)):
        assert moved == pytest.approx(places)


def test_a_plot_is_small_and_a_photograph_is_made_so() -> None:
    line = Series(name="a", x=(0, 1, 2), points=tuple(mean_interval([n, n + 1]) for n in (30, 20, 10)))
    plot = line_plot([line], "T", "x", "y", scale="log")
    assert len(plot) < MOST_BYTES / 3
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    assert len(compressed(buffer.getvalue())) < len(buffer.getvalue()) / 3
    assert compressed(DOT.getvalue()) == DOT.getvalue()
