from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from training.checkpoint import load_checkpoint, save_checkpoint
from training.files import CheckpointError, read_json, remove_leftovers, write_atomically, write_json


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = {
        "weights": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
        "transposed": torch.arange(6).reshape(2, 3).T,
        "scalar": torch.tensor(7.0),
    }
    facts = {"epoch": 3, "best_loss": 0.1 + 0.2}
    save_checkpoint(tmp_path / "deep" / "c.safetensors", tensors, facts)
    loaded = load_checkpoint(tmp_path / "deep" / "c.safetensors")
    assert loaded.facts == facts
    assert loaded.tensors.keys() == tensors.keys()
    assert all(torch.equal(loaded.tensors[name], tensor) for name, tensor in tensors.items())


def test_the_same_checkpoint_is_the_same_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.zeros(2), "a": torch.ones(3)}
    save_checkpoint(tmp_path / "one", tensors, {"x": 1, "y": 2})
    save_checkpoint(tmp_path / "two", dict(reversed(tensors.items())), {"y": 2, "x": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "state.json"
    write_json(path, {"version": 1})

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(CheckpointError, match=r"state\.json: cannot be written \(No space left on device\)"):
        write_json(path, {"version": 2})
    assert read_json(path) == {"version": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, events = tmp_path / "file", list[str]()
    sync, replace = os.fsync, Path.replace

    def record_sync(descriptor: int) -> None:
        events.append("sync")
        sync(descriptor)

    def record_replace(source: Path, target: Path) -> Path:
        events.append(f"rename {len(source.read_bytes())} bytes")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)
    write_atomically(path, b"12345")
    assert events == ["sync", "rename 5 bytes", "sync"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "inside", b"")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "missing", "other"])
def test_an_unreadable_checkpoint_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"x": torch.zeros(100)}, {})
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        path.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")  # safetensors without our facts
    else:
        path.write_bytes({"cut": path.read_bytes()[:-1], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_unreadable_json(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_leftovers_of_a_killed_process_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".ordered.safetensors.part").touch()
    (tmp_path / ".bundle.x7f" / "new").mkdir(parents=True)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "state.json").touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bundle", "checkpoints", "state.json"]
