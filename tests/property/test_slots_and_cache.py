"""Random interleavings of add, step, decode, cancel and finish keep every invariant of the slots and the KV cache."""

from __future__ import annotations

from functools import cache

from factories import tiny_networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest

SLOTS = 4
REQUESTS = tuple(
    SampleRequest(seed, sample, label, temperature, top_k, top_p)
    for seed, (sample, label, temperature, top_k, top_p) in enumerate(
        [(0, None, 1.0, 0, 1.0), (1, 0, 0.7, 0, 1.0), (0, 1, 1.0, 3, 1.0), (2, 2, 1.3, 0, 0.8), (0, 2, 0.0, 0, 1.0)]
    )
)


@cache
def model() -> OrderedModel:
    networks = tiny_networks()
    return OrderedModel(networks.autoencoder, networks.prior, SLOTS)


@cache
def codes_alone(request: SampleRequest) -> list[int]:
    """What the request draws in a model of its own."""
    networks = tiny_networks()
    single = OrderedModel(networks.autoencoder, networks.prior, slots=1)
    single.begin(0, request)
    for _ in range(single.total_codes):
        single.step([0])
    return single.codes([0])[0]


OPERATION = st.one_of(
    st.tuples(st.just("add"), st.integers(0, SLOTS - 1), st.sampled_from(REQUESTS)),
    st.tuples(st.just("step"), st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted)),
    st.tuples(st.just("step"), st.just(list(range(SLOTS)))),
    st.tuples(st.just("decode"), st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted)),
    st.tuples(st.just("release"), st.integers(0, SLOTS - 1)),
)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(OPERATION, min_size=4, max_size=24))
def test_every_interleaving_draws_what_each_request_draws_alone(operations: list[tuple]) -> None:
    held: dict[int, tuple[SampleRequest, int]] = {}  # slot -> request, position
    for kind, *arguments in operations:
        if kind == "add" and arguments[0] not in held:
            slot, request = arguments
            model().begin(slot, request)
            held[slot] = (request, 0)
        elif kind == "step":
            chosen = [slot for slot in arguments[0] if slot in held and held[slot][1] < model().total_codes]
            if chosen:
                model().step(chosen)
                held |= {slot: (held[slot][0], held[slot][1] + 1) for slot in chosen}
        elif kind == "decode":
            chosen = [slot for slot in arguments[0] if slot in held]
            if chosen:
                decoded = model().decode(chosen)
                assert [len(codes) for codes in decoded.codes] == [held[slot][1] for slot in chosen]
        elif kind == "release" and arguments[0] in held:
            model().release(arguments[0])
            del held[arguments[0]]
        _check(held)
    for slot in held:
        model().release(slot)


def _check(held: dict[int, tuple[SampleRequest, int]]) -> None:
    model().check_integrity()
    for slot, (request, position) in held.items():
        assert model().position(slot) == position
        assert model().codes([slot])[0] == codes_alone(request)[:position]
