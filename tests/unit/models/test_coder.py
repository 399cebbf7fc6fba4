"""The coder finds the codes, and the errors, that the evaluation finds; whatever the autoencoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coding import CPU, MANIFESTS, SAMPLES, random_split, write_coding_bundle

from models.bundle.networks import load_networks
from models.bundle.reader import verify_bundle
from models.runtime.coder import Coder
from training.evaluation.pca import mean_image
from training.evaluation.reconstruction import errors_by_length


@pytest.mark.parametrize("kind", MANIFESTS)
def test_codes_and_errors_are_the_evaluations(kind: str, tmp_path: Path) -> None:
    manifest = write_coding_bundle(tmp_path, kind)
    coder = Coder.load(tmp_path / kind, verify_bundle(tmp_path / kind))
    autoencoder, split = load_networks(tmp_path / kind).autoencoder, random_split(manifest)
    codes = autoencoder.encode_codes(split.batch(slice(None), CPU))
    errors = errors_by_length(autoencoder, split, mean_image(split.images), CPU)
    lengths = list(range(1, manifest.codes + 1))
    assert len(set(map(tuple, codes.tolist()))) > 2  # else it says little
    for row in range(SAMPLES):
        sample = split.images[row].numpy()
        found = coder.encode(sample)
        assert found == codes[row].tolist()
        every = list(coder.squared_errors(sample, found, lengths))
        assert every == pytest.approx(errors[row, 1:].tolist(), rel=1e-5, abs=1e-7)
        for length in (1, 3, manifest.codes):
            (alone,) = coder.squared_errors(sample, found, [length])
            assert alone == pytest.approx(every[length - 1], rel=1e-5, abs=1e-7)


def test_numbers_that_are_not_integers_are_what_they_are(tmp_path: Path) -> None:
    manifest = write_coding_bundle(tmp_path, "channels")
    coder = Coder.load(tmp_path / "channels", manifest)
    stored = random_split(manifest).images[0].numpy()
    for dtype in (np.float32, np.float64):
        sample = (stored / 255).astype(dtype)
        assert coder.encode(sample) == coder.encode(stored)
        assert list(coder.squared_errors(sample, coder.encode(sample), [6])) == pytest.approx(
            list(coder.squared_errors(stored, coder.encode(stored), [6])), rel=1e-5
        )
