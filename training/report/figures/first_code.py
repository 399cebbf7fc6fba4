"""Fig. 10: samples that share their first code.

"The same global look" is made a number: the intraclass correlation of pixels over groups of samples that share the
first code, which is near 0 if the first code says nothing of a picture and 1 if it says everything.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.bundle.networks import Networks, load_networks
from models.config import Frozen
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from models.runtime.sampling_loop import sample_codes
from training.evaluation.pictures import sheet
from training.evaluation.samples import decode
from training.files import write_atomically
from training.report.beside import read_beside, write_beside
from training.report.collect import Finished, Runs
from training.report.compression import compressed
from training.report.drawing import Drawn, Picture, Table
from training.report.statistics import mean_interval, paired_interval
from training.report.verdicts import decide, show

VARIANTS = ("ordered", "unordered")
GROUPS, MEMBERS = 32, 12
SHOWN = 6  # groups in the picture
DRAWN_FROM = 256  # samples whose first codes are taken
MEASURED, SHEET = "first-code.json", "first-code.png"


class FirstCode(Frozen):
    """What a run's samples that share their first code have in common; the picture of them is in a file beside."""

    correlation: float


def draw(runs: Runs) -> Drawn:
    """The picture of the first seed, and the correlation over all."""
    pictures, found = [], dict[str, dict[int, float]]()
    for variant in VARIANTS:
        found[variant] = {}
        for seed, run in sorted(runs.variants[variant].items()):
            found[variant][seed] = _first_code(run).correlation
            if run is runs.first(variant):
                caption = f"{runs.titles[variant]}, seed {seed}: each row shares its first code, all codes drawn"
                pictures.append(Picture(variant, caption, compressed((run.directory / SHEET).read_bytes())))
    means = {variant: mean_interval(list(values.values())) for variant, values in found.items()}
    verdict = decide(
        "Samples that share their first code are more alike with ordered codes than with unordered ones",
        {"correlation": paired_interval(found["ordered"], found["unordered"])},
    )
    rows = tuple((runs.titles[variant], show(mean)) for variant, mean in means.items())
    return Drawn(
        pictures=tuple(pictures),
        tables=(Table(headings=("", "intraclass correlation"), rows=rows),),
        verdicts=(verdict,),
        numbers={"intraclass correlation": {variant: mean.model_dump() for variant, mean in means.items()}},
        notes=(
            f"{GROUPS} groups of {MEMBERS} samples without a label; the first code of each group is that of a sample "
            "of its own.",
        ),
    )


def intraclass_correlation(groups: Tensor) -> float:
    """How alike the members of a group are, beside all, by one-way analysis of variance.

    Args:
        groups: (G, M, P) float64, M members of P numbers in each of G groups, M at least 2.

    Returns:
        (MSB - MSW) / (MSB + (M - 1) MSW), with mean squares between and within groups summed over the P numbers; 0 of a
        single group, whose first code tells nothing apart.
    """
    count, members, _ = groups.shape
    if count < 2:
        return 0.0
    centres = groups.mean(1)
    between = members * (centres - centres.mean(0)).square().sum() / (count - 1)
    within = (groups - centres[:, None]).square().sum() / (count * (members - 1))
    return ((between - within) / (between + (members - 1) * within)).item()


def _first_code(run: Finished) -> FirstCode:
    """What was measured of a run, or is measured now and kept."""
    if kept := read_beside(run.directory / MEASURED, FirstCode):
        return kept
    groups = _groups(run)
    names = [f"group {row + 1}" for row in range(min(SHOWN, len(groups)))]
    write_atomically(run.directory / SHEET, sheet(groups[: len(names)], names, ()))
    measured = FirstCode(correlation=intraclass_correlation(groups.flatten(2).double()))
    write_beside(run.directory / MEASURED, measured)
    return measured


def _groups(run: Finished) -> Tensor:
    """(G, M, C, H, W) uint8: samples whose first code is given, another one in each group."""
    networks = load_networks(run.bundle)
    seed = run.recipe.seed
    firsts = sample_codes(networks, [None] * DRAWN_FROM, seed, networks.manifest.sampling)[:, 0].tolist()
    chosen = list(dict.fromkeys(firsts))[:GROUPS]
    codes = _continued(networks, [first for first in chosen for _ in range(MEMBERS)], seed)
    pictures = decode(networks, codes, networks.manifest.codes, torch.device("cpu"))
    return pictures.reshape(len(chosen), MEMBERS, *pictures.shape[1:])


def _continued(networks: Networks, firsts: list[int], seed: int) -> Tensor:
    """Complete codes of one sample for each given first code, (N, K) int64."""
    model = build_model(networks.autoencoder, networks.prior, len(firsts))
    slots = range(len(firsts))
    for slot, first in zip(slots, firsts, strict=True):
        sampling = networks.manifest.sampling.model_dump()
        # Counted on from the samples that the first codes are from, so that no sample is one of those.
        model.begin(slot, SampleRequest(seed, DRAWN_FROM + slot, codes=(first,), **sampling))
    for _ in range(model.total_codes - 1):
        model.step(slots)
    return torch.tensor(model.codes(slots))
