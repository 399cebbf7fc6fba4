"""Processes started as a launcher starts them, and what they said.

    python -m accelerate.commands.launch ... launched.py FAILS_AT ARGUMENT...

runs `anytime`, whose process 1 fails when it comes to that step of the prior; the others have done nothing wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from server_process import ROOT
from torch import Tensor

import anytime
from models.errors import AnytimeError
from training.stages.prior import PriorTask

ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
PATIENCE = 300  # seconds


def launch(launcher: tuple[str, ...], *command: str) -> tuple[int, str, str]:
    """Run a command in two processes on the CPU; its exit status, stdout and stderr."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, *launcher, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.terminate()  # the launcher ends those that it has started
    return process.returncode, out, errors


def main() -> None:
    fails_at, taken, loss = int(sys.argv.pop(1)), 0, PriorTask.loss

    def failing(task: PriorTask, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        nonlocal taken
        if taken == fails_at and task.context.processes.index == 1:
            raise AnytimeError("process 1 has had enough")
        taken += 1
        return loss(task, rows, seed)

    PriorTask.loss = failing  # type: ignore[assignment, method-assign]
    anytime.main()


if __name__ == "__main__":
    main()
