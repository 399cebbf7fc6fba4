"""Random interleavings of begin, step, decode and release keep the promises of models whose codes come in stages.

A slot draws what its request draws alone, whoever is beside it, and also from codes that are given. It decodes to the
same whole picture.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hierarchies import LABELS, MASKED, hierarchy_config, level_config, random_hierarchy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refined import random_refined

from models.hierarchical.anytime import HierarchicalModel
from models.refined.anytime import RefinedModel
from models.runtime.protocol import AnytimeModel, SampleRequest

SLOTS = 3
CODES = 21
# Two levels over colour pictures of 4 x 4, with codes of two channels and of one: 1 + 4 + 16 places.
CONFIG = hierarchy_config(level_config(MASKED, channels=2), level_config(), channels=3, edge=4)
# Ordered codes, and below them the same pixels: 5 + 16 places.
SHAPE, ORDERED = (3, 4, 4), 5
REQUESTS = tuple(
    SampleRequest(seed, sample, label, temperature, top_k, top_p)
    for seed, (sample, label, temperature, top_k, top_p) in enumerate(
        [(0, None, 1.0, 0, 1.0), (1, 0, 0.7, 0, 1.0), (0, 1, 1.0, 3, 1.0), (2, 2, 1.3, 0, 0.8), (0, 2, 0.0, 0, 1.0)]
    )
)


class Kind(NamedTuple):
    """Of a model: refined or a hierarchy, and what draws."""

    refined: bool
    native: bool


@cache
def model_of(kind: Kind) -> HierarchicalModel | RefinedModel:
    model = (
        random_refined(SLOTS, native=kind.native, shape=SHAPE, codes=ORDERED)
        if kind.refined
        else HierarchicalModel(random_hierarchy(CONFIG), SLOTS, native=kind.native)
    )
    same_interface: AnytimeModel = model
    assert same_interface.total_codes == CODES
    return model


@cache
def alone(request: SampleRequest, kind: Kind) -> tuple[list[int], list[np.ndarray[Any, Any]]]:
    """What the request draws in slots of which the others are free, and what it looks like after each code."""
    model = model_of(kind)
    model.begin(0, request)
    pictures = [model.decode([0]).media[0]]
    for _ in range(CODES):
        model.step([0])
        pictures.append(model.decode([0]).media[0])
    (codes,) = model.codes([0])
    model.release(0)
    return codes, pictures


slot = st.integers(0, SLOTS - 1)
several = st.sets(slot, min_size=1).map(sorted)
operation = st.one_of(
    st.tuples(
        st.just("begin"),
        slot,
        st.tuples(st.sampled_from(REQUESTS), st.integers(0, CODES) | st.just(0)),
    ),
    st.tuples(st.just("step"), several, st.integers(1, CODES)),
    st.tuples(st.just("decode"), several, st.none()),
    st.tuples(st.just("release"), slot, st.none()),
)


KINDS = [Kind(refined, native) for refined in (False, True) for native in (True, False)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(operations=st.lists(operation, min_size=4, max_size=20))
def test_every_interleaving_draws_and_shows_what_each_request_does_alone(
    kind: Kind, operations: list[tuple[Any, ...]]
) -> None:
    for request in REQUESTS:
        alone(request, kind)
    slots = Slots(kind)
    try:
        for name, where, what in operations:
            slots.carry_out(name, where, what)
            slots.check()
    finally:
        for each in slots.held:
            slots.model.release(each)


class Slots:
    """A model, and which request each of its slots holds, with how many codes."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.model = kind, model_of(kind)
        self.held: dict[int, tuple[SampleRequest, int]] = {}

    def carry_out(self, name: str, where: Any, what: Any) -> None:
        """One operation, as far as it is legal."""
        if name == "begin" and where not in self.held:
            request, count = what
            codes = alone(request, self.kind)[0][:count]
            self.model.begin(where, replace(request, codes=tuple(codes)))
            self.held[where] = (request, count)
        elif name == "step":
            chosen = [each for each in where if each in self.held and self.held[each][1] + what <= CODES]
            if chosen:
                self.model.step(chosen, what)
                self.held |= {each: (self.held[each][0], self.held[each][1] + what) for each in chosen}
        elif name == "decode":
            if chosen := [each for each in where if each in self.held]:
                self._check_pictures(chosen)
        elif name == "release" and where in self.held:
            self.model.release(where)
            del self.held[where]

    def _check_pictures(self, chosen: list[int]) -> None:
        decoded = self.model.decode(chosen)
        assert decoded.media.dtype == np.float32
        for picture, each in zip(decoded.media, chosen, strict=True):
            request, position = self.held[each]
            expected = alone(request, self.kind)[1][position]
            # PyTorch decodes ordered codes in batches, whose size decides the last bit.
            exact = self.kind.native or not self.kind.refined
            assert np.array_equal(picture, expected) if exact else np.allclose(picture, expected, rtol=0, atol=1e-6)

    def check(self) -> None:
        """Whether every slot is where it should be, with the codes that its request draws alone."""
        self.model.check_integrity()
        for each, (request, position) in self.held.items():
            assert self.model.position(each) == position
            assert self.model.codes([each]) == [alone(request, self.kind)[0][:position]]


def test_labels_are_all_there() -> None:
    assert {request.label for request in REQUESTS} == {None, *range(LABELS)}
