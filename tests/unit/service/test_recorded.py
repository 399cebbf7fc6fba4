"""Recorded durations, written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import AnytimeError
from service.recorded import prepare, read, write
from service.scheduler import Costs


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    costs = Costs((1, 4))
    costs.steps.observe(3, 0.002)
    costs.repeats.observe(1, 0.00025)
    costs.decodes.observe(1, 0.0015)
    costs.encodes.observe(("png", 8), 0.0001)
    prepare(tmp_path / "new" / "folder")
    write(costs, tmp_path / "new" / "folder" / "m-0.json")
    recorded = read(tmp_path / "new" / "folder" / "m-0.json")
    assert recorded.steps_ms == {1: [], 4: [2.0]}
    assert recorded.repeats_ms == {1: [0.25], 4: []}
    assert recorded.decodes_ms == {1: [1.5], 4: []}
    assert recorded.encodes == {("png", 8): [0.1]}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnytimeError, match=r"cannot record costs in .*file"):
        prepare(tmp_path / "file")
    with pytest.raises(AnytimeError, match=r"cannot record costs in .*nowhere"):
        write(Costs((1,)), tmp_path / "nowhere" / "m-0.json")
