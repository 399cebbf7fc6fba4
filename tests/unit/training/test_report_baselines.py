"""Figures 6, 7 and appendix D on invented numbers, and which runs a folder holds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import soundfile
import torch
from toy_reports import invented_pca_prior, invented_speech, invented_vae
from toy_sound import RATE, VOICES, WINDOW
from toy_study import invented, recipe_with, together

from training.evaluation.pictures import sheet
from training.report.collect import ReportError, Runs, RunsOf, is_baseline, read_baseline, read_run
from training.report.figures import pca_prior, speech, vae
from training.report.section import baseline_section
from training.state import STATE

FALLING = (10, 6, 4, 3, 2.4, 2.1, 2)
IRREGULAR = (10, 14, 13, 6, 8, 3, 2.05)
LINEAR = (10, 9, 8, 7, 6, 5, 4)
PNG = sheet(torch.zeros(1, 1, 1, 8, 8, dtype=torch.uint8), (), ())


def test_figure_7_is_judged_as_figure_3_is() -> None:
    seeds = {seed: invented_vae(seed, FALLING, [e + seed / 99 for e in IRREGULAR], LINEAR) for seed in range(3)}
    section = baseline_section("vae", RunsOf({"vae": seeds}, {"vae": "toy-vae"}))
    (part,) = section.parts
    assert (part.key, part.heading) == ("7", "Fig. 7: Ordered against standard VAE")
    assert part.drawn
    assert [verdict.outcome for verdict in part.drawn.verdicts] == ["holds"] * 5
    assert part.sentence == "Held: 5 of 5 statements hold (3 seeds)."
    assert part.drawn.tables[-1].rows == (("It is so.", *("holds, not beyond noise",) * 3),)
    facts = dict(section.facts)
    assert facts["trained by"] == "anytime baseline toy-vae"
    assert (facts["seeds"], facts["hardware"]) == ("0, 1, 2", "not recorded")
    assert facts["schedule"] == "100 training images, epochs 2 standard + 2 ordered"


def test_figure_7_says_what_does_not_hold() -> None:
    run = invented_vae(0, FALLING, (*IRREGULAR[:-1], 1.5), (10, 5, 4.5, 4, 3.5, 3, 2.5))
    outcomes = [verdict.outcome for verdict in vae.draw(RunsOf({"vae": {0: run}}, {"vae": "v"})).verdicts]
    holds, fails = "holds for one seed", "does not hold for one seed"
    assert outcomes == [holds, holds, fails, holds, fails]


def test_appendix_d_compares_bits(tmp_path: Path) -> None:
    seeds = {seed: invented_pca_prior(tmp_path, seed, 3.0, 4.0 + seed / 9, PNG) for seed in range(2)}
    drawn = pca_prior.draw(RunsOf({"pca-prior": seeds}, {"pca-prior": "p"}))
    (verdict,) = drawn.verdicts
    assert verdict.differences["bits per dim"].value == pytest.approx(1 + 1 / 18)
    assert drawn.tables[0].rows[0] == ("pixels", "3 [3, 3]", "4 [4, 4]", "0.80")
    assert drawn.numbers["series"][0]["points"][-1]["value"] == 3
    assert "Smaller than in the paper: 2 epochs instead of 50." in drawn.notes


def speech_runs(folder: Path, better: str, worse: str) -> Runs:
    """Two variants; the clips of one are nearer to real ones, and sound more like the original from few codes."""
    near = invented_speech(folder / better, 0, (5, 4, 3), (12, 8, 6, 6, 5, 4, 6.5), PNG)
    far = invented_speech(folder / worse, 0, (9, 8, 7), (12, 11, 10, 9, 8, 7, 6), PNG)
    return together(**{better: [near], worse: [far]})


def test_figure_6_can_be_heard_and_is_judged(tmp_path: Path) -> None:
    drawn = speech.draw(speech_runs(tmp_path / "as stated", "ordered", "unordered"))
    nearer, sounds_like, recognised = drawn.verdicts
    assert {place: found.value for place, found in nearer.differences.items()} == {"0.0625": 4, "0.25": 4, "1": 4}
    # 1 and 2 of 6 codes; what all of them give is no part of the claim.
    assert {place: found.value for place, found in sounds_like.differences.items()} == {"0.0625": 3, "0.25": 4}
    assert recognised.outcome == "does not hold for one seed"  # both half the time
    assert [sound.of for sound in drawn.sounds[:4]] == ["ordered: high"] * 3 + ["ordered: low"]
    assert [sound.name for sound in drawn.sounds[:3]] == [f"{f} of the codes" for f in ("0.0625", "0.25", "1")]
    assert len(drawn.sounds) == 2 * len(VOICES) * 3
    clip, rate = soundfile.read(io.BytesIO(drawn.sounds[4].content))
    assert (rate, len(clip)) == (RATE, WINDOW)
    assert clip.mean() == pytest.approx(0.5, abs=0.1)
    other = speech.draw(speech_runs(tmp_path / "otherwise", "unordered", "ordered"))
    assert [verdict.outcome for verdict in other.verdicts] == ["does not hold for one seed"] * 3


def test_figure_6_is_of_audio_that_was_written_whole(tmp_path: Path) -> None:
    image = invented(recipe_with(0), FALLING, (5, 4, 3, 2, 1))
    with pytest.raises(ReportError, match="figure 6 is of audio, and this run is of images"):
        speech.draw(together(ordered=[image], unordered=[image]))
    runs = speech_runs(tmp_path, "ordered", "unordered")
    soundfile.write(runs.first("ordered").pictures / "samples-by-fraction.wav", [0.0] * 9, RATE)
    with pytest.raises(ReportError, match="has not one clip for each label and fraction"):
        speech.draw(runs)


def test_a_folder_says_whose_run_it_is(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"holds no run, there is no state\.json in it"):
        is_baseline(tmp_path)
    recipe = invented_vae(0, FALLING, IRREGULAR, LINEAR).recipe.model_dump(mode="json")
    (tmp_path / STATE).write_text(json.dumps({"recipe": recipe, "data": "d"}))
    assert is_baseline(tmp_path)
    with pytest.raises(ReportError, match="holds a baseline, which no other run is compared with"):
        read_run(tmp_path)
    with pytest.raises(ReportError, match="is not evaluated yet"):
        read_baseline(tmp_path)
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/report.json").write_text("{}")
    with pytest.raises(
        ReportError, match=r"its evaluation/report\.json is damaged or of another version \(VAEReport\)"
    ):
        read_baseline(tmp_path)
