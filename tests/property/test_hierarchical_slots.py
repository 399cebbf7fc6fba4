"""Random interleavings of begin, step, decode and release keep a hierarchical model's promises.

A slot draws what its request draws alone, whoever is beside it, and also from codes that are given. It decodes to the
same whole picture.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from hierarchies import LABELS, MASKED, hierarchy_config, level_config, random_hierarchy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.hierarchical.anytime import HierarchicalModel
from models.runtime.protocol import AnytimeModel, SampleRequest

SLOTS = 3
# Two levels over colour pictures of 4 x 4, with codes of two channels and of one: 1 + 4 + 16 places.
CONFIG = hierarchy_config(level_config(MASKED, channels=2), level_config(), channels=3, edge=4)
CODES = 21
REQUESTS = tuple(
    SampleRequest(seed, sample, label, temperature, top_k, top_p)
    for seed, (sample, label, temperature, top_k, top_p) in enumerate(
        [(0, None, 1.0, 0, 1.0), (1, 0, 0.7, 0, 1.0), (0, 1, 1.0, 3, 1.0), (2, 2, 1.3, 0, 0.8), (0, 2, 0.0, 0, 1.0)]
    )
)


@cache
def model_with(slots: int) -> HierarchicalModel:
    model = HierarchicalModel(random_hierarchy(CONFIG), slots)
    same_interface: AnytimeModel = model
    assert same_interface.total_codes == CODES
    return model


@cache
def alone(request: SampleRequest) -> tuple[list[int], list[np.ndarray[Any, Any]]]:
    """What the request draws in slots of which the others are free, and what it looks like after each code."""
    model = model_with(SLOTS)
    model.begin(0, request)
    pictures = [model.decode([0]).media[0]]
    for _ in range(CODES):
        model.step([0])
        pictures.append(model.decode([0]).media[0])
    (codes,) = model.codes([0])
    model.release(0)
    return codes, pictures


def continued(request: SampleRequest, codes: int) -> SampleRequest:
    """The request, its first codes given."""
    return replace(request, codes=tuple(alone(request)[0][:codes]))


slot = st.integers(0, SLOTS - 1)
several = st.sets(slot, min_size=1).map(sorted)
operation = st.one_of(
    st.tuples(
        st.just("begin"),
        slot,
        st.builds(continued, st.sampled_from(REQUESTS), st.integers(0, CODES) | st.just(0)),
    ),
    st.tuples(st.just("step"), several, st.integers(1, CODES)),
    st.tuples(st.just("decode"), several, st.none()),
    st.tuples(st.just("release"), slot, st.none()),
)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=300)
@given(st.lists(operation, min_size=4, max_size=20))
def test_every_interleaving_draws_and_shows_what_each_request_does_alone(operations: list[tuple[Any, ...]]) -> None:
    for request in REQUESTS:
        alone(request)
    model = model_with(SLOTS)
    held: dict[int, tuple[SampleRequest, int]] = {}  # slot -> request, position
    try:
        for name, where, what in operations:
            carry_out(model, held, name, where, what)
            model.check_integrity()
            for each, (request, position) in held.items():
                assert model.position(each) == position
                assert model.codes([each]) == [alone(request)[0][:position]]
    finally:
        for each in held:
            model.release(each)


def carry_out(
    model: HierarchicalModel, held: dict[int, tuple[SampleRequest, int]], name: str, where: Any, what: Any
) -> None:
    """One operation, as far as it is legal."""
    if name == "begin" and where not in held:
        model.begin(where, what)
        held[where] = (replace(what, codes=()), len(what.codes))
    elif name == "step":
        chosen = [each for each in where if each in held and held[each][1] + what <= CODES]
        if chosen:
            model.step(chosen, what)
            held |= {each: (held[each][0], held[each][1] + what) for each in chosen}
    elif name == "decode":
        if chosen := [each for each in where if each in held]:
            decoded = model.decode(chosen)
            assert decoded.media.dtype == np.float32
            for picture, each in zip(decoded.media, chosen, strict=True):
                request, position = held[each]
                assert torch.equal(torch.from_numpy(picture), torch.from_numpy(alone(request)[1][position]))
    elif name == "release" and where in held:
        model.release(where)
        del held[where]


def test_labels_are_all_there() -> None:
    assert {request.label for request in REQUESTS} == {None, *range(LABELS)}
