"""The stages that train a level: encoder, auxiliary and autoregressive decoder together (algorithms 1 to 3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.errors import AnytimeError
from models.hierarchical.config import MaskedConfig
from models.hierarchical.losses import LevelPass, bits, level_pass
from models.hierarchical.masking import Masks, draw_masks
from training.codebook import MovingCodebooks, estimator_of
from training.crops import Crops
from training.draws import drawn
from training.hierarchical.context import HierarchicalContext, level_stage
from training.hierarchical.drawing import draw_reconstruction
from training.hierarchical.symbols import pictures
from training.loop import train
from training.progress import StageProgress, tile
from training.seeds import derive_seed, generator, shuffled

CODEBOOK_VECTORS = 16384  # at most, of each channel, that its codebook is placed on
CODEBOOK_BATCH = 64
SHOWN = 8  # held-out images in a grid of reconstructions
SHOWN_PLACES = 4096  # of the largest grid that is drawn place by place for it


def run(context: HierarchicalContext, number: int) -> None:
    """Train a level and write its best epoch's weights."""
    train(context, LevelTask(context, number), context.recipe.stages.levels[number - 1])


class LevelTask:
    """Trains a level on pixels, or on the codes of the level below.

    The best epoch is the one whose autoregressive decoder predicts held-out inputs best from their codes. It has the
    last word on what is drawn, and depends on all that encoder and codebook keep.
    """

    criterion = "bits"

    def __init__(self, context: HierarchicalContext, number: int) -> None:
        self.stage = level_stage(number)
        self.number = number
        self.context = context
        self.network = context.new_level(number)
        self.train, self.held_out = (context.symbols(number, "train"), context.symbols(number, "validation"))
        self.examples = len(self.train)
        self.settings = settings = context.recipe.stages.levels[number - 1]
        grid = self.network.grid
        self.crops = Crops(grid, settings.crop, apart=self.network.config.reduction)
        height, width = self.crops.window
        self.codes_per_example = height * width * grid.channels
        codebook = context.recipe.codebook
        self.estimator = estimator_of(codebook)
        entries = [quantiser.codebook.data for quantiser in self.network.bottleneck.quantisers]
        self.memory = MovingCodebooks(entries, codebook, context.processes)

    def start(self) -> None:
        """Fresh weights, with codebooks placed on what the encoder makes of training examples."""
        # Built again, because the weights must follow from the seed and not from what was drawn before.
        self.network.load_state_dict(self.context.new_level(self.number).state_dict())
        config, grid = self.network.config, self.network.grid
        entries, places = 1 << config.codes.bits, config.coded(grid).places
        if self.examples * places < entries:
            raise AnytimeError(
                f"{self.examples} training images of {places} codes are too few for a codebook of {entries} entries; "
                f"lower levels.{self.number - 1}.codes.bits"
            )
        wanted = -(-max(CODEBOOK_VECTORS, entries) // places)
        seed = self.context.recipe.seed
        rows = shuffled(self.examples, seed, self.stage, "codebook images")[:wanted]
        with torch.inference_mode():
            encoded = [
                self.network.encoder(self.train.batch(part, self.context.device))
                for part in torch.split(rows, CODEBOOK_BATCH)
            ]
        quantisers = self.network.bottleneck.quantisers
        for channel, quantiser in enumerate(quantisers):
            vectors = torch.cat([self.network.bottleneck.parts(z)[channel].flatten(0, -2) for z in encoded])
            quantiser.initialise(vectors, generator(seed, self.stage, "codebook", channel))

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The sum of what encoder and decoders are trained by, on one batch; their networks share no gradient."""
        (x,) = self.crops.cut(seed, self.train.batch(rows, self.context.device))
        with self.context.autocast(self.settings):
            done = self._pass(x, seed)
        self.memory.observe(done.observed)
        losses = done.losses
        parts = {"bits": bits(losses.decoder.detach()), "auxiliary": losses.auxiliary.detach()}
        if self.network.teacher is not None:
            parts["teacher"] = losses.teacher.detach()
        return losses.total, parts

    def validate(self) -> Mapping[str, float]:
        """Means over whole held-out inputs, with the same masks at every epoch.

        `bits` of a symbol given the codes, `auxiliary` what the auxiliary decoder is trained by, and what it would be
        in the teacher's place.
        """
        processes, batch = self.context.processes, self.settings.batch
        sums = torch.zeros(3, dtype=torch.float64)
        used = torch.zeros(len(self.network.bottleneck.quantisers), 1 << self.network.config.codes.bits)
        for start in processes.deal(range(0, len(self.held_out), batch)):
            x = self.held_out.batch(slice(start, start + batch), self.context.device)
            done = self._pass(x, derive_seed(self.context.recipe.seed, self.stage, "validation", start))
            losses = done.losses
            sums += len(x) * torch.stack([bits(losses.decoder), losses.auxiliary, losses.teacher]).double().cpu()
            for channel, (_, codes) in enumerate(done.observed):
                used[channel, codes.cpu()] = 1
        decoder, auxiliary, teacher = (processes.sum(sums) / len(self.held_out)).tolist()
        values = {"bits": decoder, "auxiliary": auxiliary}
        if self.network.teacher is not None:
            values["teacher"] = teacher
        values["codebook use"] = (processes.sum(used) > 0).double().mean().item()
        return values

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """Held-out images; below each what the auxiliary decoders make of its codes, and what is drawn from them.

        Levels below, which are trained already, show their part by auxiliary decoders.
        """
        x = self.held_out.batch(slice(SHOWN), self.context.device)
        codes = self.network.encode(x)
        rows = [x, self.network.guess(codes)]
        if self.network.grid.places <= SHOWN_PLACES:
            rows.append(draw_reconstruction(self.network, codes, self.context.recipe.seed))
        symbols = torch.cat(rows)
        for number in reversed(range(1, self.number)):
            symbols = self.context.level(number).guess(symbols)
        shown = pictures(symbols, self.context.recipe.hierarchy.pixels).float() / 255
        progress.image("reconstructions", tile(shown.numpy(), len(x)), step)

    def _pass(self, x: Tensor, seed: int) -> LevelPass:
        masks, config = None, self.network.config.auxiliary
        if isinstance(config, MaskedConfig):
            masks = _masks(config, x, seed)
        return level_pass(self.network, x, masks, self.settings.commitment, self.estimator)


def _masks(config: MaskedConfig, x: Tensor, seed: int) -> Masks:
    def made(count: int) -> Masks:
        draws = torch.Generator().manual_seed(derive_seed(seed, "masks"))
        return draw_masks(config, count, x.shape[2], x.shape[3], draws)

    kept = drawn(len(x), lambda count: made(count).kept)
    centres = drawn(len(x), lambda count: made(count).centres)
    return Masks(kept.to(x.device), centres.to(x.device))
