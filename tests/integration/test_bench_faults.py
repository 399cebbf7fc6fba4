"""The faults of `make bench-faults`, in small: whatever happens, every request has its ending."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.faults import FAULTS, Scene, rows, run

SMALL = Scene(third_s=0.6, rate=30.0, crowd=60, deaf=20)


@pytest.mark.parametrize("name", FAULTS)
def test_every_request_has_its_ending(name: str, tiny_bundle: Path) -> None:
    finding = run(name, tiny_bundle, SMALL)
    assert sum(part.failed for part in finding.parts) == 0
    assert all(part.sent == part.on_time + part.late + part.refused for part in finding.parts)
    assert finding.parts[2].on_time > 0
    assert len(finding.parts) == (4 if name == "burst" else 3)
    assert len(list(rows([finding]))) == 2 + len(finding.parts)
