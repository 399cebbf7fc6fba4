"""A grid's symbols drawn by the native library: the same as `GridSampler`, where that mostly pays for its way there.

A place takes PyTorch some hundred operations on numbers that would fit into registers; here it is one call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_float, c_int32
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.hierarchical.causal import timing_signal
from models.hierarchical.config import Grid
from models.hierarchical.incremental.matrices import Layer, Matrices, matrices
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.native import library
from models.native.library import GatedLayerWeights, Kernels, LinearWeights, PixelCNNWeights
from models.runtime.affine import Affine
from models.runtime.executor import Draw
from models.runtime.slots import SlotTable


class NativeGridSampler:
    """See `GridSampler`, which this stands in for on a CPU; what a slot draws does not depend on others to the bit.

    Args:
        network: in evaluation mode, in single precision; its weights must not change any more.
        kernels: of one instruction set.

    Raises:
        MemoryError: if there is not enough.
    """

    name = "native"

    @torch.inference_mode()
    def __init__(self, network: GatedPixelCNN, grid: Grid, slots: int, kernels: Kernels, *, spatial: bool) -> None:
        self.grid = grid
        self._kernels = kernels
        self._table = SlotTable(slots, grid.places)
        description = _Description(network, grid, slots, spatial=spatial)
        self._handle = kernels.pixelcnn_new(description.weights)
        if not self._handle:
            raise MemoryError("there is not enough memory for the model")
        shape = (slots, grid.height, grid.width, grid.channels)
        self._symbols = library.view_integers(kernels.pixelcnn_symbols(self._handle), shape)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._kernels.pixelcnn_free(self._handle)

    @property
    def slots(self) -> int:
        """How many."""
        return len(self._table)

    def begin(self, slot: int, features: Tensor, how: Draw, given: Tensor | None = None) -> None:
        """See `GridSampler.begin`."""
        self._table.occupy(slot)
        conditioned = _of_places(features)
        known = np.zeros(0, np.int32) if given is None else given.flatten().numpy().astype(np.int32)
        uniforms = np.ascontiguousarray(how.uniforms, np.float64)
        self._kernels.pixelcnn_begin(
            self._handle,
            slot,
            conditioned.ctypes.data,
            len(known),
            known.ctypes.data,
            library.Draw(how.temperature, how.top_p, how.top_k),
            uniforms.ctypes.data,
        )

    def step(self, slots: Sequence[int], places: int = 1) -> None:
        """See `GridSampler.step`; one call for all places."""
        self._table.check_can_step(slots, places)
        self._kernels.pixelcnn_step(self._handle, len(slots), (c_int32 * len(slots))(*slots), places)
        self._table.advance(slots, places)

    def read(self, slot: int, places: int) -> None:
        """See `GridSampler.read`."""
        if (unread := places - self.position(slot)) > 0:
            self._kernels.pixelcnn_read(self._handle, slot, places)
            self._table.advance([slot], unread)

    def position(self, slot: int) -> int:
        """See `GridSampler.position`."""
        return self._table.position(slot)

    def symbols(self, slots: Sequence[int]) -> Tensor:
        """See `GridSampler.symbols`."""
        return torch.from_numpy(self._symbols[list(slots)]).long().movedim(-1, 1)

    def release(self, slot: int) -> None:
        """See `GridSampler.release`."""
        self._table.release(slot)

    def holds(self, slot: int) -> bool:
        """See `GridSampler.holds`."""
        return self._table.is_taken(slot)

    def logits(self, symbols: Tensor, features: Tensor) -> Tensor:
        """See `GridSampler.logits`: row after row."""
        grid = self.grid
        found = np.empty((len(symbols), grid.height, grid.width, grid.channels, grid.values), np.float32)
        for row, (of_row, conditioned) in enumerate(zip(symbols, features, strict=True)):
            known = of_row.movedim(0, -1).contiguous().numpy().astype(np.int32)
            where = _of_places(conditioned)
            self._kernels.pixelcnn_pass(self._handle, where.ctypes.data, known.ctypes.data, found[row].ctypes.data)
        return torch.from_numpy(found).movedim(3, 1)

    def drawn_from(self, row: int) -> NDArray[np.float32]:
        """(C, V): the logits from which the last step drew, at its last place, for its slot number `row`."""
        address = self._kernels.pixelcnn_logits(self._handle, row)
        return library.view_floats(address, (self.grid.channels, self.grid.values)).copy()


class _Description:
    """A network as the library takes it; keeps what the description points to."""

    def __init__(self, network: GatedPixelCNN, grid: Grid, slots: int, *, spatial: bool) -> None:
        self._kept: list[object] = []
        config, matrices_ = network.config, matrices(network)
        units = [table.shape[1] for table in matrices_.tables]
        timing = None
        if config.timing is not None:
            signal = timing_signal(config.hidden, grid.height, grid.width)
            timing = self._floats(signal.flatten(1).t())
        self.weights = PixelCNNWeights(
            channels=grid.channels,
            values=grid.values,
            layers=config.layers,
            hidden=config.hidden,
            reach=config.filter // 2,
            height=grid.height,
            width=grid.width,
            features=network.condition,
            spatial=spatial,
            slots=slots,
            beside=config.timing == "concat",
            timing=timing,
            table=self._array(POINTER(c_float), [self._floats(table) for table in matrices_.tables]),
            units=self._array(c_int32, units),
            condition=self._linear(matrices_.condition),
            layer=self._array(GatedLayerWeights, self._layers(matrices_)),
            output=self._linears(matrices_.output),
            head=self._linears(matrices_.head),
        )

    def _layers(self, of: Matrices) -> list[GatedLayerWeights]:
        lefts = [of.left, *of.lefts]
        return [self._layer(layer, left) for layer, left in zip(of.layers, lefts, strict=True)]

    def _layer(self, layer: Layer, left: Tensor) -> GatedLayerWeights:
        attention = layer.attention
        return GatedLayerWeights(
            vertical=self._linear(layer.vertical),
            across=self._linear(layer.across),
            left=self._linear(left),
            centre=self._linears(layer.centre),
            inner=self._linears([residual.inner for residual in layer.residual]),
            last=self._linears([residual.last for residual in layer.residual]),
            qkv=self._linear(attention.qkv if attention else None),
            project=self._linear(attention.project if attention else None),
            heads=attention.heads if attention else 0,
        )

    def _linears(self, each: Sequence[Affine | Tensor | None]) -> Any:
        return self._array(LinearWeights, [self._linear(one) for one in each])

    def _linear(self, of: Affine | Tensor | None) -> LinearWeights:
        """Weights (inputs, outputs), with a bias or none; nothing at all has no inputs."""
        if of is None:
            return LinearWeights()
        weight, bias = (of.weight, of.bias) if isinstance(of, Affine) else (of, of.new_zeros(of.shape[1]))
        return LinearWeights(self._floats(weight.t()), self._floats(bias), *weight.shape)

    def _floats(self, tensor: Tensor) -> ctypes._Pointer[c_float]:
        array = np.ascontiguousarray(tensor.detach().numpy(), np.float32)
        self._kept.append(array)
        return library.floats(array)

    def _array(self, kind: Any, values: Sequence[object]) -> Any:
        """An array of a type of `ctypes`."""
        made = (kind * len(values))(*values)
        self._kept.append(made)
        return made


def _of_places(features: Tensor) -> NDArray[np.float32]:
    """Features (F, H or 1, W or 1) place by place."""
    return np.ascontiguousarray(features.detach().movedim(0, -1).numpy(), np.float32)
