"""Find the library that was built while installing, and describe it to `ctypes`; `api.h` is the other side."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double, c_float, c_int32, c_int64, c_void_p
from functools import cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

INSTRUCTION_SETS = ("amx", "avx512vnni", "avx512", "avx2", "portable")
"""Best first. All but the last compute the same bits; that one has no fused multiplication and addition to do so."""

_floats = POINTER(c_float)
_integers = POINTER(c_int32)


class LinearWeights(ctypes.Structure):
    """`weight` (outputs, inputs) and `bias` (outputs)."""

    _fields_ = (("weight", _floats), ("bias", _floats), ("inputs", c_int32), ("outputs", c_int32))


class NormWeights(ctypes.Structure):
    """Both (width)."""

    _fields_ = (("weight", _floats), ("bias", _floats))


class LayerWeights(ctypes.Structure):
    """One block of the prior."""

    _fields_ = (
        ("attention_norm", NormWeights),
        ("qkv", LinearWeights),
        ("project", LinearWeights),
        ("feed_forward_norm", NormWeights),
        ("expand", LinearWeights),
        ("contract", LinearWeights),
    )


class PriorWeights(ctypes.Structure):
    """The whole prior, and the slots it is to have."""

    _fields_ = (
        *((name, c_int32) for name in ("codes", "codebook", "tokens", "layers", "width", "heads", "slots")),
        ("eight_bit", c_int32),
        ("embedding", _floats),
        ("position", _floats),
        ("layer", POINTER(LayerWeights)),
        ("norm", NormWeights),
        ("head", LinearWeights),
    )


class ConvolutionWeights(ctypes.Structure):
    """A transposed convolution, and the size of what comes in."""

    _fields_ = (
        ("weight", _floats),
        ("bias", _floats),
        *((name, c_int32) for name in ("inputs", "outputs", "height", "width")),
        *((name, c_int32 * 2) for name in ("kernel", "stride", "padding")),
    )


class DecoderWeights(ctypes.Structure):
    """The codebook's entries and the decoder's layers."""

    _fields_ = (
        *((name, c_int32) for name in ("codes", "codebook", "layers", "spatial", "eight_bit")),
        ("entries", _floats),
        ("missing", _floats),
        ("layer", POINTER(ConvolutionWeights)),
        *((name, c_float) for name in ("leak", "low", "high")),
    )


class CorrectionWeights(ctypes.Structure):
    """What one code of the residual kind does to the state."""

    _fields_ = (("read", LinearWeights), ("write", LinearWeights), ("directions", LinearWeights))


class ResidualWeights(ctypes.Structure):
    """The codebook's entries, what every code does, and how a sample is read off."""

    _fields_ = (
        *((name, c_int32) for name in ("codes", "codebook", "depth", "width", "eight_bit")),
        ("entries", _floats),
        ("norm", NormWeights),
        ("correction", POINTER(CorrectionWeights)),
        ("readout", LinearWeights),
        *((name, c_float) for name in ("low", "high")),
    )


class GatedLayerWeights(ctypes.Structure):
    """One layer of a gated PixelCNN."""

    _fields_ = (
        *((name, LinearWeights) for name in ("vertical", "across", "left")),
        *((name, POINTER(LinearWeights)) for name in ("centre", "inner", "last")),
        *((name, LinearWeights) for name in ("qkv", "project")),
        ("heads", c_int32),
    )


class PixelCNNWeights(ctypes.Structure):
    """A whole gated PixelCNN, the grid that it is for, and the slots it is to have."""

    _fields_ = (
        *((name, c_int32) for name in ("channels", "values", "layers", "hidden", "reach", "height", "width")),
        *((name, c_int32) for name in ("features", "spatial", "slots", "beside")),
        ("timing", _floats),
        ("table", POINTER(_floats)),
        ("units", _integers),
        ("condition", LinearWeights),
        ("layer", POINTER(GatedLayerWeights)),
        ("output", POINTER(LinearWeights)),
        ("head", POINTER(LinearWeights)),
    )


class Draw(ctypes.Structure):
    """How codes are drawn from logits."""

    _fields_ = (("temperature", c_double), ("top_p", c_double), ("top_k", c_int32))


class Kernels(ctypes.Structure):
    """The library's functions for one instruction set. Large arrays are passed as bare addresses, which is quicker."""

    _fields_ = (
        ("prior_new", ctypes.CFUNCTYPE(c_void_p, POINTER(PriorWeights))),
        ("prior_free", ctypes.CFUNCTYPE(None, c_void_p)),
        (
            "prior_begin",
            ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_int32, _integers, POINTER(Draw), c_void_p),
        ),
        ("prior_step", ctypes.CFUNCTYPE(None, c_void_p, c_int32, _integers)),
        ("prior_codes", ctypes.CFUNCTYPE(c_void_p, c_void_p)),
        ("prior_positions", ctypes.CFUNCTYPE(c_void_p, c_void_p)),
        ("prior_logits", ctypes.CFUNCTYPE(c_void_p, c_void_p, c_int32)),
        ("prior_weight_bytes", ctypes.CFUNCTYPE(c_int64, c_void_p)),
        ("decoder_new", ctypes.CFUNCTYPE(c_void_p, POINTER(DecoderWeights))),
        ("decoder_free", ctypes.CFUNCTYPE(None, c_void_p)),
        ("decoder_run", ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_void_p, c_void_p)),
        ("residual_new", ctypes.CFUNCTYPE(c_void_p, POINTER(ResidualWeights))),
        ("residual_free", ctypes.CFUNCTYPE(None, c_void_p)),
        ("residual_run", ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_void_p, c_void_p)),
        ("pixelcnn_new", ctypes.CFUNCTYPE(c_void_p, POINTER(PixelCNNWeights))),
        ("pixelcnn_free", ctypes.CFUNCTYPE(None, c_void_p)),
        (
            "pixelcnn_begin",
            ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_int32, c_void_p, POINTER(Draw), c_void_p),
        ),
        ("pixelcnn_step", ctypes.CFUNCTYPE(None, c_void_p, c_int32, _integers, c_int32)),
        ("pixelcnn_read", ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_int32)),
        ("pixelcnn_pass", ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_void_p)),
        ("pixelcnn_symbols", ctypes.CFUNCTYPE(c_void_p, c_void_p)),
        ("pixelcnn_logits", ctypes.CFUNCTYPE(c_void_p, c_void_p, c_int32)),
    )


@cache
def kernels(instructions: str | None = None) -> Kernels | None:
    """The functions for an instruction set, or for the best that this machine has; None where there are none."""
    spec = find_spec("models.native._kernels")
    if spec is None or spec.origin is None:
        return None
    look_up = ctypes.CDLL(spec.origin).anytime_kernels
    look_up.argtypes, look_up.restype = (ctypes.c_char_p,), POINTER(Kernels)
    for name in INSTRUCTION_SETS if instructions is None else (instructions,):
        if found := look_up(name.encode()):
            table: Kernels = found.contents
            return table
    return None


def floats(array: NDArray[np.float32]) -> ctypes._Pointer[c_float]:
    """A pointer to an array's numbers; the caller keeps the array."""
    return array.ctypes.data_as(_floats)


def view_floats(address: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The library's own memory as an array, without a copy."""
    return np.ctypeslib.as_array(ctypes.cast(address, _floats), shape)


def view_integers(address: int, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """The library's own memory as an array, without a copy."""
    return np.ctypeslib.as_array(ctypes.cast(address, _integers), shape)
