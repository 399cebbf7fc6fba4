"""Fixtures shared by every test."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from factories import write_tiny_bundle
from hypothesis import settings

from models.runtime.determinism import configure

# Shells start what runs in the background with Ctrl-C ignored, which every process that a test starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
# What a test takes says nothing of the code on a machine that is shared.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
configure()
torch.set_num_threads(1)  # tests share the machine with each other and with the servers they start


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle with random weights: 8x8 pictures, 6 codes, three labels."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """The folder with Fashion-MNIST's four files: ANYTIME_TEST_DATA, or where Debian's package has put them."""
    if folder := os.environ.get("ANYTIME_TEST_DATA"):
        return Path(folder)
    listing = subprocess.run(["dpkg", "-L", "dataset-fashion-mnist"], capture_output=True, text=True, check=False)
    files = [Path(line) for line in listing.stdout.splitlines() if "train-images" in line]
    assert files, "Fashion-MNIST is not here: sh deploy/install-test-packages.sh, or set ANYTIME_TEST_DATA"
    return files[0].parent
