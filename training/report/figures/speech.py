"""Fig. 6: speech from growing fractions of its codes, ordered and unordered: to see, to hear, and as distances."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from training.evaluation.audio.report import AudioReconstructionFacts
from training.evaluation.audio.sheets import BY_FRACTION_WAV, PAUSE
from training.evaluation.pictures import BY_FRACTION, MOST_LABELS
from training.evaluation.samples import codes_for
from training.report.collect import Finished, ReportError, Runs
from training.report.drawing import (
    Drawn,
    Picture,
    Sound,
    Table,
    differences,
    evaluation_pictures,
    line_plot,
    numbers,
    over_seeds,
    series,
    table,
)
from training.report.figures.distance import common_fractions, distances, fraction_axis, places
from training.report.figures.samples import NOT_RECOGNISED, recognisable, recognised
from training.report.verdicts import Verdict, decide

VARIANTS = ("ordered", "unordered")


def draw(runs: Runs) -> Drawn:
    """Spectrograms and clips of the first seed; over all seeds how far they are from real ones."""
    for run in runs.all():
        if not isinstance(run.report.reconstruction, AudioReconstructionFacts):
            raise ReportError(f"{run.directory}: figure 6 is of audio, and this run is of images")
    fractions = common_fractions(runs, VARIANTS)
    at = places(fractions)
    measures = {
        "distance": ("Distance of samples to real voices", runs.first("ordered").report.distance.name, distances),
        "log-mel": ("How different rebuilt test clips sound", "log-mel distance, dB", _log_mel),
    }
    if recognisable(runs):
        measures["recognised"] = ("Samples whose voice is recognised", "share of samples", recognised)
    pictures: list[Picture] = []
    tables: list[Table] = []
    found = {}
    for name, (title, unit, pick) in measures.items():
        lines = [series(runs, variant, fractions, pick) for variant in VARIANTS]
        ticks, label = fraction_axis(runs.all(), fractions)
        plot = line_plot(lines, title, label, unit, ticks=ticks, scale_x="log", from_zero=True)
        pictures.append(Picture(name, f"{title}, {unit}; {over_seeds(lines)}", plot))
        tables.append(table(f"fraction ({unit})", at, lines))
        found[name] = numbers(lines)
    for variant in VARIANTS:
        pictures += evaluation_pictures(runs, variant, {BY_FRACTION: "spectrograms of the same samples"})
    return Drawn(
        pictures=tuple(pictures),
        tables=tuple(tables),
        verdicts=_verdicts(runs, at),
        numbers=found,
        notes=(
            "The clips can be heard in the report as one HTML page.",
            *(() if recognisable(runs) else (f"How many voices are recognised is not told: {NOT_RECOGNISED}.",)),
        ),
        sounds=tuple(sound for variant in VARIANTS for sound in _sounds(runs, variant)),
    )


def _verdicts(runs: Runs, at: Sequence[str]) -> tuple[Verdict, ...]:
    quieter = differences(runs, "unordered", "ordered", at, _log_mel)
    nearer = differences(runs, "unordered", "ordered", at, distances)
    both = (
        decide("Samples of ordered codes are nearer to real voices at every fraction", nearer),
        decide(
            "Cut short, ordered codes rebuild test clips that sound more like the original",
            {place: quieter[place] for place in at[:-1] or at},
        ),
    )
    if not recognisable(runs):
        return both
    oftener = differences(runs, "ordered", "unordered", at, recognised)
    statement = f"The voice of samples cut to {at[0]} of their codes is recognised more often if codes are ordered"
    return (*both, decide(statement, {at[0]: oftener[at[0]]}))


def _sounds(runs: Runs, variant: str) -> Iterator[Sound]:
    """The clips of the first seed, one after another in the evaluation's file, each on its own."""
    run = runs.first(variant)
    labels = run.recipe.labels[:MOST_LABELS]
    fractions = places([facts.fraction for facts in run.report.samples.fractions])
    samples, rate = soundfile.read(run.pictures / BY_FRACTION_WAV, dtype="float32")
    window = run.recipe.media.shape[-1]
    step = window + round(PAUSE * rate)
    if len(samples) != step * len(labels) * len(fractions):
        raise ReportError(f"{run.pictures / BY_FRACTION_WAV}: has not one clip for each label and fraction")
    for row, label in enumerate(labels):
        for column, fraction in enumerate(fractions):
            clip = samples[(row * len(fractions) + column) * step :][:window]
            yield Sound(
                f"{runs.titles[variant]}: {label}", f"{fraction} of the codes", _encoded(clip, rate), "audio/ogg"
            )


def _encoded(clip: np.ndarray[tuple[int], np.dtype[np.float32]], rate: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, clip, rate, "VORBIS", format="OGG")
    return buffer.getvalue()


def _log_mel(run: Finished) -> list[float]:
    """How different test clips rebuilt from each fraction of their codes sound from the originals, in dB."""
    facts = run.report.reconstruction
    if not isinstance(facts, AudioReconstructionFacts):
        raise TypeError("the report is not of audio")
    return [facts.log_mel[codes_for(part.fraction, run.report.codes)].value for part in run.report.samples.fractions]
