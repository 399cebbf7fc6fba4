"""What computes natively, or in NumPy, is ready sooner, and is smaller, for not importing PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from factories import tiny_manifest, tiny_networks, write_tiny_bundle

from models.bundle.writer import write_bundle
from models.config import ResidualConfig

SCRIPT = """
import sys
from pathlib import Path
import service.worker.main
from models.runtime import load_model
from models.runtime.protocol import SampleRequest
from service.worker.main import _device
assert _device("cpu", 0) == "cpu"
_, model = load_model(Path(sys.argv[1]), "cpu", 2, sys.argv[2], 1)
model.begin(0, SampleRequest(1))
model.step([0], model.total_codes)
model.decode([0])
print("torch" in sys.modules)
"""
RESIDUAL = ResidualConfig(kind="residual", codes=6, codebook=8, depth=3, width=5, hidden=4)


@pytest.mark.parametrize(
    ("executor", "imported"), [("native", "False"), ("native-int8", "False"), ("null", "False"), ("reference", "True")]
)
def test_only_the_reference_needs_it(executor: str, imported: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(write_tiny_bundle(tmp_path)), executor]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == imported


def test_nor_does_a_residual_autoencoder(tmp_path: Path) -> None:
    networks = tiny_networks(tiny_manifest(autoencoder=RESIDUAL))
    write_bundle(tmp_path / "residual", networks.manifest, networks.autoencoder, networks.prior, {})
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "residual"), "native"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"


def test_nor_does_the_encoder(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from service.encoder.main import _load
assert _load(Path(sys.argv[1])).coder.encode
print("torch" in sys.modules)
"""
    command = [sys.executable, "-c", script, str(write_tiny_bundle(tmp_path))]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"
