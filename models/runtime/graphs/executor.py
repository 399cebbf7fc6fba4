"""The executor for CUDA devices: slots on the device, a graph for each batch size, and no waiting in a step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.build import Autoencoder
from models.prior.transformer import TransformerPrior
from models.runtime.buckets import power_of_two_buckets
from models.runtime.executor import Draw
from models.runtime.graphs.batch import Batch
from models.runtime.graphs.decoder import static_decoder
from models.runtime.graphs.launcher import Launcher, Prepared
from models.runtime.graphs.prior import StaticTransformer
from models.runtime.graphs.ranges import prior_dtype
from models.runtime.graphs.records import Records
from models.runtime.sampling import draw

_AT_ONCE = 256  # samples decoded, or given codes read: more would take memory and gain nothing


class GraphExecutor:
    """Everything that a step reads or writes lies on the device, always in the same place, so that it can be replayed.

    The host says which rows a batch has, in one copy that it does not wait for, and not even that if they are those of
    the step before. What is drawn goes into the table of slots on the device, and comes back only when it is asked for.

    A batch of `slots` rows is the full table: every slot has its own row, and keys and values are read where they lie.
    In smaller batches they are gathered.

    Args:
        autoencoder, prior: anywhere, in evaluation mode; their weights are copied.
        launcher: how work gets to the device, and to which.
        exact: float32 throughout, to compare with the reference; else half precision (`ranges`).

    Attributes:
        dtype: of the prior's weights and arithmetic.

    Raises:
        RuntimeError: if the device cannot, or has too little memory.
    """

    @torch.inference_mode()
    def __init__(
        self, autoencoder: Autoencoder, prior: TransformerPrior, slots: int, launcher: Launcher, *, exact: bool = False
    ) -> None:
        self.name = "graphs-fp32" if exact else "graphs"
        self.dtype = torch.float32 if exact else prior_dtype(prior)
        self._launcher, self._slots, self._codebook = launcher, slots, prior.codebook
        device = launcher.device
        self._records = Records(slots, prior.vocabulary, device)
        self._prior = StaticTransformer(prior, slots + 1, self.dtype, device)
        self._decoder = static_decoder(autoencoder, device, exact=exact)
        self._restricted: set[int] = set()  # slots whose draw looks at top_k and top_p
        self._unread: dict[int, int] = {}  # by slot, how many tokens before the present one have not been read
        # Largest first, so that what the smaller ones need finds room in the memory that there is.
        sizes = power_of_two_buckets(slots)[::-1]
        self._batches = {size: Batch(size, slots, launcher) for size in sizes}
        self._steps = {size: self._prepare_steps(self._batches[size]) for size in sizes}
        self.buckets = self._agreeing()
        self._steps = {size: self._steps[size] for size in self.buckets}
        self._reads = {
            size: launcher.prepare(partial(self._read, self._batches[size]))
            for size in self.buckets[:-1] or self.buckets
            if size <= _AT_ONCE or size == slots
        }
        self._decodes = {
            size: launcher.prepare(partial(self._decode, self._batches[size]))
            for size in power_of_two_buckets(min(_AT_ONCE, slots))[::-1]
        }
        self._last = self._steps[slots][False]

    @property
    def weight_bytes(self) -> int:
        """See `Executor`."""
        return self._prior.weight_bytes

    @torch.inference_mode()
    def begin(self, slot: int, tokens: Sequence[int], draw: Draw) -> None:
        """See `Executor.begin`."""
        restricted = draw.top_k < self._codebook or draw.top_p < 1
        (self._restricted.add if restricted else self._restricted.discard)(slot)
        self._unread.pop(slot, None)
        if len(tokens) > 1:
            self._unread[slot] = len(tokens) - 1
        self._records.table[slot].copy_(self._launcher.staged(self._records.row(tokens, draw)), non_blocking=True)

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> None:
        """See `Executor.step`."""
        if self._unread:
            self._read_given([slot for slot in slots if slot in self._unread])
        size = self.buckets[bisect_left(self.buckets, len(slots))]
        self._batches[size].fill(slots, 1, own_rows=size == self._slots)
        self._last = self._steps[size][not self._restricted.isdisjoint(slots)]
        self._last.run()

    def wait(self) -> None:
        """See `Executor.wait`."""
        self._launcher.wait()

    @torch.inference_mode()
    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """See `Executor.decode`; in batches of other sizes a sample may differ by the rounding of half precision."""
        media = []
        for start in range(0, len(slots), _AT_ONCE):
            chunk = slots[start : start + _AT_ONCE]
            size = min(size for size in self._decodes if size >= len(chunk))
            self._batches[size].fill(chunk, 0)
            self._decodes[size].run()
            media.append(self._launcher.download(self._decodes[size].result[: len(chunk)]))
        return media[0] if len(media) == 1 else np.concatenate(media)

    @torch.inference_mode()
    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """See `Executor.codes`."""
        rows = self._launcher.staged(np.array(slots, np.int64)).to(self._launcher.device, non_blocking=True)
        codes: list[list[int]] = self._launcher.download(self._records.codes.index_select(0, rows)).tolist()
        return codes

    @torch.inference_mode()
    def positions(self) -> list[int]:
        """See `Executor.positions`."""
        positions: list[int] = self._launcher.download(self._records.positions[: self._slots].contiguous()).tolist()
        return positions

    def logits(self) -> Tensor:
        """(bucket, C): those from which the last step drew, until anything else is run; see `own_rows` for whose."""
        return self._last.result

    def _prepare_steps(self, batch: Batch) -> tuple[Prepared, Prepared]:
        """For draws that look at neither top_k nor top_p, and for all."""
        plain, restricted = (
            self._launcher.prepare(partial(self._step, batch, restricted=restricted)) for restricted in (False, True)
        )
        return plain, restricted

    def _step(self, batch: Batch, *, restricted: bool) -> Tensor:
        """Draw a code for each row, and move it on by its number: 1, or 0 for padding. Returns the logits."""
        records, rows = self._records, batch.rows
        heads = records.heads(rows)
        places = records.places(rows, heads.positions)
        whole = batch.size == self._slots
        logits = self._prior.logits(self._prior.read(records.tokens(places), heads.positions, rows, whole=whole))
        uniforms = records.uniforms(places)
        drawn = draw(logits, uniforms, heads.temperature, heads.top_k, heads.top_p, restricted=restricted)
        records.put(places, drawn)
        records.positions.index_add_(0, rows, batch.numbers)
        return logits

    def _read(self, batch: Batch) -> Tensor:
        """Read the tokens of each row at the position that is its number."""
        rows, positions = batch.rows, batch.numbers
        tokens = self._records.tokens(self._records.places(rows, positions))
        return self._prior.read(tokens, positions, rows, whole=batch.size == self._slots)

    def _decode(self, batch: Batch) -> Tensor:
        """(size, *media shape)."""
        records = self._records
        return self._decoder(records.codes.index_select(0, batch.rows), records.positions.index_select(0, batch.rows))

    def _read_given(self, slots: Sequence[int]) -> None:
        """Bring the codes that were given into the prior's memory, as many at a time as there is a batch for."""
        unread = [(slot, position) for slot in slots for position in range(self._unread[slot])]
        for rows in self._passes(unread):
            size = min(size for size in self._reads if size >= len(rows))
            self._batches[size].fill(*zip(*rows, strict=True), own_rows=size == self._slots)
            self._reads[size].run()
        for slot in slots:  # not before: if there was too little memory, all are read again
            del self._unread[slot]

    def _passes(self, unread: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        """Batches of slots and positions to read, in order; in the full table a slot has but one row."""
        most = max(self._reads)
        if most < self._slots:
            yield from (list(unread[start : start + most]) for start in range(0, len(unread), most))
            return
        for position in range(max((position for _, position in unread), default=-1) + 1):
            yield [each for each in unread if each[1] == position]

    def _agreeing(self) -> tuple[int, ...]:
        """The batch sizes in which every row's logits are bit for bit those that it has in the full table.

        A library may choose another kernel for another size, and that one may add up in another order.
        """
        generator = torch.Generator().manual_seed(0)
        self._records.scramble(generator)
        self._prior.scramble(generator)
        expected = self._logits_of(range(self._slots), self._slots).clone()

        def agrees(size: int) -> bool:
            differs = torch.zeros((), dtype=torch.bool, device=self._launcher.device)
            for start in range(0, self._slots, size):
                chunk = range(start, min(start + size, self._slots))
                differs |= (self._logits_of(chunk, size) != expected[chunk.start : chunk.stop]).any()
            return not self._launcher.download(differs)

        agreeing = [size for size in power_of_two_buckets(self._slots)[:-1] if agrees(size)]
        self._records.clear()
        return (*agreeing, self._slots)

    def _logits_of(self, slots: range, size: int) -> Tensor:
        """(slots, C), in a batch of so many, with nobody moved on."""
        self._batches[size].fill(slots, 0, own_rows=size == self._slots)
        plain, _ = self._steps[size]
        plain.run()
        return plain.result[: len(slots)]
