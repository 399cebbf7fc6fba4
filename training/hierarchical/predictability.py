"""How predictable codes are, by the auxiliary decoder that has shaped them (section 7.1 and figure 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, NamedTuple

import torch

from models.config import Frozen
from models.errors import RecipeError
from training.data.dataset import Dataset
from training.evaluation.intervals import Estimate, mean_estimate
from training.files import read_json, write_json
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.likelihood import bits_of_images, codebooks, encode_all
from training.hierarchical.pipeline import trained_stages
from training.hierarchical.recipe import HierarchicalRecipe
from training.hierarchical.symbols import PictureSymbols
from training.pipeline import ALONE_FROM, Stage, run_stages
from training.progress import RunProgress
from training.recipe import parse_as
from training.report.statistics import Interval, mean_interval, paired_interval
from training.state import StateOf

MASK = 5  # edge of the masks where layers vary, as in the figure's left half
LAYERS = 2  # of the decoders whose masks vary, as in its right half
RESULT = "predictability.json"


class Auxiliary(NamedTuple):
    """An auxiliary decoder: how many layers it has, and the edge of the masks it learns by, if it learns by any."""

    layers: int
    mask: int | None = None

    def __str__(self) -> str:
        kind = "feed-forward" if self.mask is None else f"masks of {self.mask} x {self.mask}"
        return f"{kind}, {_layers(self.layers)}"

    @property
    def folder(self) -> str:
        """Of its runs."""
        return f"layers-{self.layers}" + (f"-mask-{self.mask}" if self.mask else "")


class Predictability(Frozen):
    """Of one run's codes, on test images.

    Attributes:
        bits: that the prior needs for a code, given the label and the codes before it.
        entropy_bits: what it would need if it knew nothing but how often each code occurs.
    """

    bits: Estimate
    entropy_bits: float


Found = Mapping[Auxiliary, Mapping[int, Predictability]]
"""By decoder and seed."""


class Sign(Frozen):
    """One of the directions that the figure shows, as a difference of bits per code over seeds.

    Attributes:
        holds: whether the mean is above 0 by more than seeds differ.
    """

    statement: str
    difference: Interval
    holds: bool


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


def auxiliaries(layers: Sequence[int], masks: Sequence[int]) -> list[Auxiliary]:
    """What the figure compares: both kinds with these layers, and masks of these sizes."""
    compared = [Auxiliary(count) for count in layers]
    compared += [Auxiliary(count, MASK) for count in layers]
    compared += [Auxiliary(LAYERS, mask) for mask in masks]
    return list(dict.fromkeys(compared))


def recipe_with(recipe: HierarchicalRecipe, auxiliary: Auxiliary, seed: int) -> HierarchicalRecipe:
    """A recipe of one level with another auxiliary decoder; a teacher is as deep as the encoder, as in appendix A.

    Raises:
        RecipeError: it has more levels, or the decoder cannot be had.
    """
    if len(recipe.levels) != 1:
        raise RecipeError(f"{recipe.name}: predictability is measured of one level, and it has {len(recipe.levels)}")
    (level,) = recipe.levels
    config: dict[str, Any] = {"network": {**level.auxiliary.network.model_dump(), "layers": auxiliary.layers}}
    if auxiliary.mask is None:
        config["kind"] = "feed-forward"
    else:
        config |= {"kind": "masked", "teacher": level.encoder.model_dump(), "size": auxiliary.mask}
    # Made anew, since a copy would keep the sizes that were worked out for the original.
    values = {**recipe.model_dump(), "levels": [{**level.model_dump(), "auxiliary": config}], "seed": seed}
    return parse_as(HierarchicalRecipe, values, str(auxiliary))


def measure(
    recipe: HierarchicalRecipe,
    compared: Sequence[Auxiliary],
    seeds: Sequence[int],
    out: Path,
    load: Callable[[HierarchicalRecipe], Dataset],
    device: torch.device,
    progress: Callable[[Path], RunProgress],
    say: Callable[[str], None],
) -> Found:
    """Train an encoder and a prior for each decoder and seed, each in a folder of its own; what is there is kept.

    Seed after seed, so that what is cut short has whole comparisons.

    Args:
        load: the data of a recipe, which its seed splits.
        progress: how a run shows itself, given the folder of its logs.
        say: is told which run comes next.
    """
    found: dict[Auxiliary, dict[int, Predictability]] = {each: {} for each in compared}
    for number, (seed, auxiliary) in enumerate((seed, each) for seed in seeds for each in compared):
        folder = out / "runs" / auxiliary.folder / f"seed-{seed}"
        say(f"[{number + 1}/{len(seeds) * len(compared)}] {auxiliary}, seed {seed}: {folder}")
        changed = recipe_with(recipe, auxiliary, seed)
        data = load(changed)
        context = HierarchicalContext(
            changed.model_copy(update={"labels": data.labels}), data, folder, device, progress(folder / "logs")
        )
        stages = [*trained_stages(changed), Stage(ALONE_FROM, _measure, trained=False)]
        run_stages(context, StateOf[HierarchicalRecipe], stages)
        found[auxiliary][seed] = Predictability.model_validate(read_json(folder / RESULT))
    return found


def _measure(context: HierarchicalContext) -> None:
    """The stage that measures a run."""
    hierarchy, test = context.hierarchy(), context.dataset.test.take(slice(context.recipe.evaluate.images))
    grids = encode_all(hierarchy, PictureSymbols(test, context.recipe.hierarchy.pixels), context.device)
    bits = bits_of_images(hierarchy, grids, len(grids) - 1, test.labels, context.device)
    (used,) = codebooks(hierarchy, grids)
    facts = Predictability(
        bits=mean_estimate(bits / hierarchy.config.grids[-1].symbols),
        entropy_bits=fmean(map(math.log2, used.perplexity)),
    )
    context.progress.say(f"{facts.bits.value:.3f} bits per code")
    write_json(context.directory / RESULT, facts.model_dump(mode="json"))


def signs(found: Found) -> list[Sign]:
    """Which of the figure's directions hold, of those that were compared."""
    bits = {each: {seed: facts.bits.value for seed, facts in by_seed.items()} for each, by_seed in found.items()}
    return [
        Sign(statement=statement, difference=difference, holds=difference.low is not None and difference.low > 0)
        for statement, difference in _differences(bits)
    ]


def _differences(bits: Mapping[Auxiliary, Mapping[int, float]]) -> Iterator[tuple[str, Interval]]:
    for kind, mask in (("feed-forward", None), (f"masks of {MASK} x {MASK}", MASK)):
        deep = sorted(each for each in bits if each.mask == mask)
        if len(deep) > 1:
            least, most = deep[0], deep[-1]
            statement = f"{kind}: {_layers(most.layers)} need more bits for a code than {least.layers}"
            yield statement, paired_interval(bits[most], bits[least])
    wide = sorted(each for each in bits if each.layers == LAYERS and each.mask is not None)
    if len(wide) > 1:
        small, large = wide[0], wide[-1]
        yield (
            f"masks of {small.mask} x {small.mask} need more bits for a code than of {large.mask} x {large.mask}",
            paired_interval(bits[small], bits[large]),
        )
    for plain in sorted(each for each in bits if each.mask is None):
        if (masked := plain._replace(mask=MASK)) in bits:
            statement = f"{_layers(plain.layers)}: feed-forward needs more bits for a code than {MASK} x {MASK} masks"
            yield statement, paired_interval(bits[plain], bits[masked])


def summary(recipe: HierarchicalRecipe, found: Found) -> dict[str, Any]:
    """All numbers, as JSON."""
    rows = [
        {
            "layers": each.layers,
            "mask": each.mask,
            "bits": mean_interval([facts.bits.value for facts in by_seed.values()]).model_dump(),
            "entropy_bits": mean_interval([facts.entropy_bits for facts in by_seed.values()]).model_dump(),
            "by_seed": {str(seed): facts.model_dump(mode="json") for seed, facts in by_seed.items()},
        }
        for each, by_seed in found.items()
    ]
    return {"recipe": recipe.name, "rows": rows, "signs": [sign.model_dump() for sign in signs(found)]}


def figure(found: Found, half: Literal["layers", "masks"]) -> bytes:
    """Half of the figure, a PNG: bits per code by layers of both kinds, or by the edge of the masks."""
    from training.report.drawing import Series, line_plot

    def series(name: str, points: Mapping[float, Auxiliary]) -> Series:
        over_seeds = (mean_interval([facts.bits.value for facts in found[at].values()]) for at in points.values())
        return Series(name=name, x=tuple(points), points=tuple(over_seeds))

    if half == "masks":
        by_mask = {
            float(each.mask): each
            for each in sorted(each for each in found if each.mask)
            if each.mask and each.layers == LAYERS
        }
        lines = [series(f"masks, {LAYERS} layers", by_mask)]
    else:
        kinds = (("feed-forward", None), (f"masks of {MASK} x {MASK}", MASK))
        lines = [
            series(
                name,
                {float(each.layers): each for each in sorted(found, key=lambda each: each.layers) if each.mask == mask},
            )
            for name, mask in kinds
        ]
    title = "Predictability of codes"
    return line_plot(
        lines, title, "edge of a mask" if half == "masks" else "layers of the auxiliary decoder", "bits per code"
    )
