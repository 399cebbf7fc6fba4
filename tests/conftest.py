"""Fixtures shared by every test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from factories import write_tiny_bundle

from models.runtime.determinism import configure

configure()
torch.set_num_threads(1)  # tests share the machine with each other and with the servers they start


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle with random weights: 8x8 pictures, 6 codes, three labels."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))
