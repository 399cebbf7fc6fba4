"""Compiling a network for its training steps (`torch.compile`)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import AnytimeError
from models.quantiser import Quantiser

# Compiled code draws as uncompiled code does, so that dropout depends on the seed alone.
BACKEND: dict[str, Any] = {"backend": "inductor", "options": {"fallback_random": True}}


def compile_network(network: nn.Module, stage: str, device: torch.device) -> None:
    """Have a network compiled when it first computes; its weights and their names stay as they are.

    Raises:
        AnytimeError: if there is no compiler for the device here.
    """
    _check_compiler(stage, device)
    called = type(network).forward is not nn.Module.forward
    # A network that is not called as a whole is compiled part by part, but for the choice of codes: a distance that is
    # rounded otherwise is another code.
    for module in [network] if called else network.children():
        if not isinstance(module, Quantiser):
            module.compile(**BACKEND)


def uncompiled() -> AbstractContextManager[None]:
    """Within, compiled networks compute as if they were not: for shapes that are not worth a compilation."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def _check_compiler(stage: str, device: torch.device) -> None:
    """Compile something trivial, rather than fail in the midst of a stage."""
    try:
        torch.autograd.backward(torch.compile(_trivial, **BACKEND)(torch.ones(2, device=device, requires_grad=True)))
    except Exception as error:  # compilers that are missing, too old or broken raise all kinds of errors
        reason = str(error).strip().splitlines()[0]
        raise AnytimeError(
            f"stages.{stage}.compile: PyTorch cannot compile for {device.type} here ({reason}); "
            "install what is missing, a C++ compiler or Triton, or leave compile out"
        ) from error


def _trivial(x: Tensor) -> Tensor:
    return (x * 2).sum()
