from __future__ import annotations

import pytest
import torch
from factories import tiny_networks
from toy_data import toy_split

from training.evaluation.pca import fit, mean_image
from training.evaluation.reconstruction import errors_by_length, gains, reconstruct, to_bytes

CPU = torch.device("cpu")


def test_errors_are_those_of_the_decoded_prefixes() -> None:
    autoencoder, split = tiny_networks().autoencoder, toy_split(7)
    errors = errors_by_length(autoencoder, split, mean_image(split.images), CPU)
    x = split.batch(slice(None), CPU)
    codes = autoencoder.encode_codes(x)
    assert errors.shape == (7, 7)
    for n in range(1, 7):
        rebuilt = autoencoder.decode_codes(codes, torch.full((7,), n))
        assert errors[:, n].tolist() == pytest.approx((rebuilt - x).square().sum((1, 2, 3)).tolist(), rel=1e-5)


def test_no_code_at_all_is_answered_with_the_constant() -> None:
    split, constant = toy_split(5), torch.rand(1, 8, 8, dtype=torch.float64)
    errors = errors_by_length(tiny_networks().autoencoder, split, constant, CPU)
    expected = (split.images.double() / 255 - constant).square().sum((1, 2, 3))
    assert errors[:, 0].tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_gains_add_up_to_the_whole_reduction() -> None:
    split = toy_split(9)
    errors = errors_by_length(tiny_networks().autoencoder, split, mean_image(split.images), CPU)
    assert gains(errors).shape == (9, 6)
    assert gains(errors).sum(1).tolist() == pytest.approx((errors[:, 0] - errors[:, -1]).tolist())


def test_bytes_are_rounded_to_the_nearest() -> None:
    levels = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 254.6 / 255, 1.0])
    assert to_bytes(levels).tolist() == [0, 0, 1, 127, 255, 255]


def test_reconstructions_are_pictures_of_the_prefix() -> None:
    autoencoder, split = tiny_networks().autoencoder, toy_split(4)
    codes = autoencoder.encode_codes(split.batch(slice(None), CPU))
    expected = to_bytes(autoencoder.decode_codes(codes, torch.full((4,), 2)))
    assert torch.equal(reconstruct(autoencoder, split, 2, CPU), expected)


def test_no_code_costs_the_model_what_no_component_costs_pca() -> None:
    train, test = toy_split(30), toy_split(20, seed=1)
    components = fit(train.images, 2)
    errors = errors_by_length(tiny_networks().autoencoder, test, mean_image(train.images), CPU)
    assert errors[:, 0].tolist() == pytest.approx(components.errors(test.images, clamp=False)[:, 0].tolist(), rel=1e-12)
