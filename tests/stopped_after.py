"""Runs that are stopped after so many checkpoints, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from training.checkpoint import save_checkpoint


class Stopped(Exception):
    """What ends a run."""


def run_with_stops(
    run: Callable[[], None], saves: Sequence[int], monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    """Stop a run after each of these numbers of checkpoints, go on each time, and at last to the end.

    Args:
        run: begins it, or goes on; it writes a checkpoint after every step.
        bundle: what it makes, of which there must be nothing until then.
    """
    for most in saves:
        left = most

        def interrupted(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
            nonlocal left
            save_checkpoint(path, tensors, facts)
            left -= 1
            if left == 0:
                raise Stopped

        monkeypatch.setattr("training.loop.save_checkpoint", interrupted)
        with pytest.raises(Stopped):
            run()
        assert not bundle.exists()
    monkeypatch.setattr("training.loop.save_checkpoint", save_checkpoint)
    run()
