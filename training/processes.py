"""The processes of a run: one, or several that a launcher has started, which share every batch among themselves.

`accelerate launch` and `torchrun` start the same command as many times as there are devices and say in the environment
how many they are. Every process keeps the same weights and takes the same decisions; what differs is which rows of a
batch it computes, and that the main process alone shows and writes anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import sleep
from typing import TYPE_CHECKING, TypeVar

from models.errors import AnytimeError, DeviceError
from training.devices import Device, prepare_torch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed.distributed_c10d import Store

Item = TypeVar("Item")

# The main process may prepare data or evaluate for hours while the others wait. Whether a process is still there is the
# launcher's to watch.
PATIENCE = timedelta(days=30)
GRACE = 10.0  # seconds until a process that has nothing to say ends by itself, if the launcher does not end it
FAILED = "failed"  # the key under which processes count themselves once something has gone wrong


class LostProcessError(AnytimeError):
    """Another process of the run is gone."""


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of its run.

    Attributes:
        index: 0 .. count - 1; 0 is the main process.
        count: how many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def main(self) -> bool:
        """Whether this is the process that shows and writes."""
        return self.index == 0

    def share(self, rows: int) -> slice:
        """This process's rows of a batch: contiguous, in the order of the processes, at most one more than others'."""
        return slice(rows * self.index // self.count, rows * (self.index + 1) // self.count)

    def deal(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `count`-th item, which together with the other processes' are all."""
        return items[self.index :: self.count]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes, the same to the last bit in each. Raises LostProcessError."""
        if self.count == 1:
            return values
        import torch

        # NCCL sees only what lies on a GPU.
        where = "cuda" if torch.distributed.get_backend() == "nccl" else values.device
        summed = values.to(where, copy=True)
        with _together():
            torch.distributed.all_reduce(summed)
        return summed.to(values.device)

    def same(self, network: nn.Module) -> None:
        """Give every process the main one's weights, in case another kind of device has rounded them differently."""
        if self.count == 1:
            return
        import torch

        with _together():
            for tensor in network.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Go on once every process has come here. Raises LostProcessError."""
        if self.count > 1:
            from accelerate import PartialState

            with _together():
                PartialState().wait_for_everyone()

    def part(self) -> None:
        """Cut the connection to the other processes, once all have come here. Raises LostProcessError."""
        self.wait()
        if self.count > 1:
            import torch

            torch.distributed.destroy_process_group()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Within, the main process goes first and the others follow once it is through."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()


ALONE = Processes()


@contextmanager
def joined(device: Device, threads: int | None) -> Iterator[Processes]:
    """The processes that a launcher has started for this run, or this one alone.

    Whatever goes wrong within, in one process or in all alike, is said once: by the process that comes first. The
    others end without a word, and the launcher ends those that still wait for them.

    Args:
        device: where they compute, each on a GPU of its own or all on the CPU.
        threads: of the CPU, for each.

    Raises:
        DeviceError: if there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    torch_device = prepare_torch(device, threads)

    import torch
    from torch.distributed.rendezvous import rendezvous

    store, index, count = next(rendezvous("env://"))
    with _one_voice(store):
        if torch_device.type == "cuda":
            _check_devices()

        from accelerate import PartialState

        # Also makes this process's GPU the one that "cuda" means.
        on_cpu = torch_device.type == "cpu"
        PartialState(cpu=on_cpu, store=store, rank=index, world_size=count, timeout=PATIENCE)
        yield Processes(index, count)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _check_devices() -> None:
    import torch

    here, devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if here > devices:
        raise DeviceError(
            f"{here} processes were started on a machine with {devices} CUDA device{'s' * (devices != 1)}; "
            f"start one for each, or pass --device cpu"
        )


@contextmanager
def _one_voice(store: Store) -> Iterator[None]:
    try:
        yield
    except Exception:
        if store.add(FAILED, 1) == 1:
            raise
        # Not at once: the launcher ends all processes as soon as it sees one end, and the first has yet to speak.
        sleep(GRACE)
        sys.exit(1)


@contextmanager
def _together() -> Iterator[None]:
    """Say in a sentence what the libraries that connect processes say in pages."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(
            "another process of this run has ended; the launcher's report says which, and --resume goes on from the "
            "last checkpoint"
        ) from error
