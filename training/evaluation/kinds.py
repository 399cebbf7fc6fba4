"""What an evaluation does differently for images and for audio, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from models.bundle.networks import Networks
from models.config import Media
from training.data.dataset import Split
from training.evaluation import pca, pictures, plots
from training.evaluation.audio import components, sheets, sound
from training.evaluation.audio.judges import judge_of_clips
from training.evaluation.audio.report import AudioReport
from training.evaluation.classifier import ClassifierConfig, Judge, train_or_load
from training.evaluation.pca import PrincipalComponents
from training.evaluation.report import ReconstructionFacts, Report
from training.evaluation.samples import Samples


class Kind(NamedTuple):
    """An evaluation's parts that depend on the media.

    Attributes:
        judge: from a cache file, the classifier's configuration, training samples, the number of labels, a device and
            who is told of each epoch, to the judge of samples.
        components: fits K principal components to training samples.
        complete: adds to the facts about reconstructions what only these media have; takes the networks, the test
            samples, the answer without any code and the device.
        show: writes sheets of samples and reconstructions, at fractions of their codes.
        plot: writes the plots of a report.
        report: what `report.json` holds.
        shipped: files of the evaluation that go into the bundle, beside the report.
    """

    judge: Callable[[Path, ClassifierConfig, Split, int, torch.device, Callable[[str], None]], Judge]
    components: Callable[[Tensor, int], PrincipalComponents]
    complete: Callable[[ReconstructionFacts, Networks, Split, Tensor, torch.device], ReconstructionFacts]
    show: Callable[[Path, Networks, Samples, Split, Sequence[float], torch.device], None]
    plot: Callable[[Path, Report], None]
    report: type[Report]
    shipped: tuple[str, ...]


def kind_of(media: Media) -> Kind:
    """The parts for these media."""
    return _audio(media) if media.type == "audio" else IMAGES


def _show_images(
    directory: Path,
    networks: Networks,
    drawn: Samples,
    test: Split,
    fractions: Sequence[float],
    device: torch.device,
) -> None:
    pictures.write(directory, pictures.choose(networks, drawn, test, fractions, device))


IMAGES = Kind(
    judge=train_or_load,
    components=pca.fit,
    complete=lambda facts, *_: facts,
    show=_show_images,
    plot=plots.write,
    report=Report,
    shipped=(pictures.SAMPLES,),
)


def _audio(media: Media) -> Kind:
    def judge(
        cache: Path,
        config: ClassifierConfig,
        train: Split,
        labels: int,
        device: torch.device,
        each_epoch: Callable[[str], None],
    ) -> Judge:
        return judge_of_clips(cache, config, train, labels, media, device, each_epoch)

    def show(
        directory: Path,
        networks: Networks,
        drawn: Samples,
        test: Split,
        fractions: Sequence[float],
        device: torch.device,
    ) -> None:
        sheets.write(directory, pictures.choose(networks, drawn, test, fractions, device), media)

    return Kind(
        judge=judge,
        components=components.fit,
        complete=sound.complete,
        show=show,
        plot=lambda directory, report: plots.write(directory, report, {"log-mel-distance.png": sound.plot}),
        report=AudioReport,
        shipped=(pictures.SAMPLES, sheets.SAMPLES_WAV),
    )
