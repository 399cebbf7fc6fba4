"""The executor that computes nothing keeps its slots like any other."""

from __future__ import annotations

import numpy as np
from factories import tiny_networks

from models.runtime.choice import available
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest

NETWORKS = tiny_networks()


def test_it_draws_nothing_and_decodes_to_nothing() -> None:
    model = build_model(NETWORKS.autoencoder, NETWORKS.prior, 3, "null")
    model.begin(2, SampleRequest(seed=1, codes=(1, 2)))
    model.begin(0, SampleRequest(seed=1))
    model.step([2, 0])
    model.step([2])
    model.check_integrity()
    decoded = model.decode([0, 2])
    assert decoded.codes == [[0], [1, 2, 0, 0]]
    assert decoded.media.shape == (2, *NETWORKS.autoencoder.media.shape)
    assert decoded.media.dtype == np.float32
    assert not decoded.media.any()
    model.release(2)
    model.begin(2, SampleRequest(seed=1))
    assert model.position(2) == 0


def test_nobody_gets_it_who_does_not_ask_for_it() -> None:
    assert "null" not in available(NETWORKS.prior.config.kind, NETWORKS.prior.device.type)
    assert build_model(NETWORKS.autoencoder, NETWORKS.prior, 1).executor.name != "null"
