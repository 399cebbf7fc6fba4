"""What a process of several does without the others; with them, see the integration tests."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._C._distributed_c10d import HashStore

from models.errors import AnytimeError, DeviceError
from training import processes
from training.devices import Device
from training.processes import ALONE, LostProcessError, Processes


@given(rows=st.integers(0, 500), count=st.integers(1, 9))
def test_everything_is_shared_out_once_and_evenly(rows: int, count: int) -> None:
    several = [Processes(index, count) for index in range(count)]
    shares = [range(rows)[process.share(rows)] for process in several]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert sorted(row for process in several for row in process.deal(range(rows))) == list(range(rows))


def test_alone_there_is_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes.joined(Device.CPU, threads=1) as alone:
        assert alone == ALONE
        assert alone.main
        with alone.main_first():
            alone.wait()
        values = torch.arange(3)
        assert alone.sum(values) is values
        alone.part()


def test_only_the_first_failure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(processes, "sleep", slept.append)
    store = HashStore()
    with pytest.raises(AnytimeError, match="the data is damaged"), processes._one_voice(store):
        raise AnytimeError("the data is damaged")
    assert not slept
    with pytest.raises(SystemExit) as ended, processes._one_voice(store):
        raise AnytimeError("the data is damaged")
    assert (ended.value.code, slept) == (1, [processes.GRACE])


def test_a_lost_process_is_a_sentence() -> None:
    with pytest.raises(LostProcessError, match="another process of this run has ended"), processes._together():
        raise RuntimeError("[pair.cc:547] Connection closed by peer")


@pytest.mark.parametrize(("devices", "said"), [(1, "1 CUDA device;"), (3, "3 CUDA devices;")])
def test_more_processes_than_devices_are_refused(devices: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(DeviceError, match=f"4 processes were started on a machine with {said}"):
        processes._check_devices()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(devices))
    processes._check_devices()
