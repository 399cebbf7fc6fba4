"""Random interleavings of begin, step, decode and release keep a hierarchical model's promises.

A slot draws what its request draws alone, whoever is beside it, and also from codes that are given. It decodes to the
same whole picture.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
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
def model_with(slots: int, *, native: bool) -> HierarchicalModel:
    model = HierarchicalModel(random_hierarchy(CONFIG), slots, native=native)
    same_interface: AnytimeModel = model
    assert same_interface.total_codes == CODES
    return model


@cache
def alone(request: SampleRequest, *, native: bool) -> tuple[list[int], list[np.ndarray[Any, Any]]]:
    """What the request draws in slots of which the others are free, and what it looks like after each code."""
    model = model_with(SLOTS, native=native)
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


@pytest.mark.parametrize("native", [True, False], ids=["native", "reference"])
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(operations=st.lists(operation, min_size=4, max_size=20))
def test_every_interleaving_draws_and_shows_what_each_request_does_alone(
    native: bool, operations: list[tuple[Any, ...]]
) -> None:
    for request in REQUESTS:
        alone(request, native=native)
    slots = Slots(native)
    try:
        for name, where, what in operations:
            slots.carry_out(name, where, what)
            slots.check()
    finally:
        for each in slots.held:
            slots.model.release(each)


class Slots:
    """A model, and which request each of its slots holds, with how many codes."""

    def __init__(self, native: bool) -> None:
        self.native, self.model = native, model_with(SLOTS, native=native)
        self.held: dict[int, tuple[SampleRequest, int]] = {}

    def carry_out(self, name: str, where: Any, what: Any) -> None:
        """One operation, as far as it is legal."""
        if name == "begin" and where not in self.held:
            request, count = what
            codes = alone(request, native=self.native)[0][:count]
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
            assert np.array_equal(picture, alone(request, native=self.native)[1][position])

    def check(self) -> None:
        """Whether every slot is where it should be, with the codes that its request draws alone."""
        self.model.check_integrity()
        for each, (request, position) in self.held.items():
            assert self.model.position(each) == position
            assert self.model.codes([each]) == [alone(request, native=self.native)[0][:position]]


def test_labels_are_all_there() -> None:
    assert {request.label for request in REQUESTS} == {None, *range(LABELS)}
