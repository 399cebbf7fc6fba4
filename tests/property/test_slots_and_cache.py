"""Random interleavings of add, step, decode, cancel and finish keep every invariant of the slots and of what a prior
remembers of them.

Some samples begin with codes that are given, the first ones of what they would have drawn.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import patch

from factories import PRIORS, tiny_manifest, tiny_networks
from graph_models import model_of as graph_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_graphs import RecordedGraphs

from models.runtime.buckets import power_of_two_buckets
from models.runtime.executors import build_model
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest

SLOTS = 4
REQUESTS = tuple(
    SampleRequest(seed, sample, label, temperature, top_k, top_p)
    for seed, (sample, label, temperature, top_k, top_p) in enumerate(
        [(0, None, 1.0, 0, 1.0), (1, 0, 0.7, 0, 1.0), (0, 1, 1.0, 3, 1.0), (2, 2, 1.3, 0, 0.8), (0, 2, 0.0, 0, 1.0)]
    )
)


CODES = tiny_manifest().codes


@cache
def model_of(executor: str, kind: str = "transformer") -> OrderedModel:
    networks = tiny_networks(tiny_manifest(prior=PRIORS[kind]))
    return build_model(networks.autoencoder, networks.prior, SLOTS, executor)


@cache
def codes_alone(request: SampleRequest, kind: str) -> list[int]:
    """What the request draws in a model of its own."""
    networks = tiny_networks(tiny_manifest(prior=PRIORS[kind]))
    single = build_model(networks.autoencoder, networks.prior, 1, "reference")
    single.begin(0, request)
    for _ in range(single.total_codes):
        single.step([0])
    return single.codes([0])[0]


def sequences(kind: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Operations upon a model with a prior of this kind."""

    def continued(request: SampleRequest, codes: int) -> SampleRequest:
        """The request, its first codes given."""
        return replace(request, codes=tuple(codes_alone(request, kind)[:codes]))

    operation = st.one_of(
        st.tuples(
            st.just("add"),
            st.integers(0, SLOTS - 1),
            st.builds(continued, st.sampled_from(REQUESTS), st.integers(0, CODES) | st.just(0)),
        ),
        st.tuples(st.just("step"), st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted), st.integers(1, CODES)),
        st.tuples(st.just("step"), st.just(list(range(SLOTS))), st.just(1)),
        st.tuples(st.just("decode"), st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted)),
        st.tuples(st.just("release"), st.integers(0, SLOTS - 1)),
    )
    return st.lists(operation, min_size=4, max_size=20)


common = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(common, max_examples=10_000)
@given(sequences("transformer"))
def test_every_interleaving_draws_what_each_request_draws_alone(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(model_of("native"), operations)


@settings(common, max_examples=1_000)
@given(sequences("transformer"))
def test_and_so_it_does_by_the_reference(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(model_of("reference"), operations)


@cache
def graphs(kind: str) -> OrderedModel:
    """The executor for CUDA devices, its work as it is or recorded, with a batch of every size."""
    sizes = power_of_two_buckets(SLOTS)
    with patch.object(GraphExecutor, "_agreeing", lambda _: sizes):  # some round otherwise, which few draws notice
        return graph_model(tiny_networks(), SLOTS, RecordedGraphs() if kind == "recorded" else None)


@settings(common, max_examples=1_000)
@given(sequences("transformer"))
def test_and_so_it_does_as_graphs_compute_it(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(graphs("eager"), operations)


@settings(common, max_examples=300)
@given(sequences("transformer"))
def test_and_so_it_does_as_graphs_replay_it(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(graphs("recorded"), operations)


@settings(common, max_examples=300)
@given(sequences("lstm"))
def test_and_so_it_does_with_an_lstm(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(model_of("auto", "lstm"), operations, "lstm")


@settings(common, max_examples=300)
@given(sequences("pixelcnn"))
def test_and_so_it_does_with_a_pixelcnn(operations: list[tuple[Any, ...]]) -> None:
    _check_interleaving(model_of("auto", "pixelcnn"), operations, "pixelcnn")


def _check_interleaving(model: OrderedModel, operations: list[tuple[Any, ...]], kind: str = "transformer") -> None:
    held: dict[int, tuple[SampleRequest, int]] = {}  # slot -> request, position
    try:
        _interleave(model, operations, held, kind)
    finally:
        for slot in held:
            model.release(slot)


def _interleave(
    model: OrderedModel, operations: list[tuple[Any, ...]], held: dict[int, tuple[SampleRequest, int]], kind: str
) -> None:
    for operation, *arguments in operations:
        if operation == "add" and arguments[0] not in held:
            slot, request = arguments
            model.begin(slot, request)
            held[slot] = (replace(request, codes=()), len(request.codes))
        elif operation == "step":
            slots, codes = arguments
            chosen = [slot for slot in slots if slot in held and held[slot][1] + codes <= CODES]
            if chosen:
                model.step(chosen, codes)
                held |= {slot: (held[slot][0], held[slot][1] + codes) for slot in chosen}
        elif operation == "decode":
            chosen = [slot for slot in arguments[0] if slot in held]
            if chosen:
                decoded = model.decode(chosen)
                assert [len(codes) for codes in decoded.codes] == [held[slot][1] for slot in chosen]
        elif operation == "release" and arguments[0] in held:
            _check_codes(model, {arguments[0]: held.pop(arguments[0])}, kind)
            model.release(arguments[0])
        model.check_integrity()
        assert {slot: model.position(slot) for slot in held} == {slot: position for slot, (_, position) in held.items()}
    _check_codes(model, held, kind)


def _check_codes(model: OrderedModel, held: dict[int, tuple[SampleRequest, int]], kind: str) -> None:
    """Whatever a slot holds is a prefix of what its request draws alone."""
    slots = list(held)
    drawn = model.codes(slots) if slots else []
    assert drawn == [codes_alone(request, kind)[:position] for request, position in held.values()]
