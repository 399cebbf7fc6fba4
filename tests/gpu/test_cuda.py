"""The runtime on a CUDA device: `make test-gpu`. Left out of `make test`, which must pass without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle.networks import load_networks
from models.runtime import load_model
from models.runtime.protocol import AnytimeModel, SampleRequest

pytestmark = pytest.mark.gpu

REQUESTS = [SampleRequest(seed, sample=seed % 3, label=seed % 3, top_p=0.9 if seed % 2 else 1.0) for seed in range(40)]


def drawn(model: AnytimeModel, requests: list[SampleRequest], at_once: int) -> list[list[int]]:
    codes: list[list[int]] = []
    for start in range(0, len(requests), at_once):
        slots = range(len(requests[start : start + at_once]))
        for slot in slots:
            model.begin(slot, requests[start + slot])
        for _ in range(model.total_codes):
            model.step(slots)
        codes += model.decode(slots).codes
        for slot in slots:
            model.release(slot)
    model.check_integrity()
    return codes


def test_codes_do_not_depend_on_the_batch(tiny_bundle: Path) -> None:
    _, model = load_model(tiny_bundle, "cuda", slots=16)
    alone = drawn(model, REQUESTS, at_once=1)
    assert drawn(model, REQUESTS, at_once=5) == alone
    assert drawn(model, REQUESTS, at_once=16) == alone


def test_pictures_agree_with_the_cpu(tiny_bundle: Path) -> None:
    _, model = load_model(tiny_bundle, "cuda", slots=4)
    reference = load_networks(tiny_bundle).autoencoder
    for slot in range(4):
        model.begin(slot, REQUESTS[slot])
    for length in range(1, model.total_codes + 1):
        model.step(range(4))
        decoded = model.decode(range(4))
        padded = torch.tensor([codes + [0] * (model.total_codes - length) for codes in decoded.codes])
        expected = reference.decode_codes(padded, torch.full((4,), length))
        assert np.allclose(decoded.media, expected.numpy(), atol=1e-4)


def test_logits_agree_with_the_cpu(tiny_bundle: Path) -> None:
    on_cpu, on_gpu = load_networks(tiny_bundle).prior, load_networks(tiny_bundle, "cuda").prior
    codes, labels = torch.randint(8, (16, 6)), torch.randint(4, (16,))
    assert torch.allclose(on_gpu(codes.cuda(), labels.cuda()).cpu(), on_cpu(codes, labels), atol=1e-4)
