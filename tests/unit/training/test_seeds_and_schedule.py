from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.options import Optimisation
from training.schedule import learning_rate
from training.seeds import derive_seed, generator, shuffled


def test_seeds_are_what_they_always_were() -> None:
    """A change here would change every trained model."""
    assert derive_seed(7, "ordered", "step", 0) == 5095542658888634739
    assert shuffled(8, 7, "ordered", "order", 0).tolist() == [6, 0, 7, 5, 2, 4, 3, 1]


def test_every_place_draws_its_own_numbers() -> None:
    places = [(seed, stage, kind, n) for seed in (0, 1) for stage in "ab" for kind in "xy" for n in range(50)]
    assert len({derive_seed(*place) for place in places}) == len(places)
    assert all(0 <= derive_seed(*place) < 2**63 for place in places)


def test_a_place_does_not_depend_on_what_was_drawn_before() -> None:
    first = generator(1, "here").get_state()
    generator(1, "elsewhere")
    assert generator(1, "here").get_state().equal(first)


@given(count=st.integers(0, 200), epoch=st.integers(0, 1000))
def test_an_epoch_sees_every_example_once(count: int, epoch: int) -> None:
    order = shuffled(count, 7, "stage", "order", epoch)
    assert sorted(order.tolist()) == list(range(count))
    assert order.equal(shuffled(count, 7, "stage", "order", epoch))


def test_epochs_have_different_orders() -> None:
    assert len({tuple(shuffled(20, 7, "stage", "order", epoch).tolist()) for epoch in range(20)}) == 20


def test_cosine_rises_to_the_peak_and_falls_to_nothing() -> None:
    settings = Optimisation(epochs=1, learning_rate=1.0, schedule="cosine", warmup=0.1)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[:10] == [(step + 1) / 10 for step in range(10)]
    assert rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_constant_stays() -> None:
    settings = Optimisation(epochs=1, learning_rate=0.3)
    assert {learning_rate(settings, step, 50) for step in range(50)} == {0.3}


@given(
    warmup=st.floats(0, 0.99),
    total=st.integers(1, 10_000),
    part=st.floats(0, 1),
    schedule=st.sampled_from(["constant", "cosine"]),
)
def test_a_rate_is_positive_and_never_above_the_peak(warmup: float, total: int, part: float, schedule: str) -> None:
    settings = Optimisation.model_validate({"epochs": 1, "learning_rate": 0.5, "schedule": schedule, "warmup": warmup})
    step = min(total - 1, int(part * total))
    assert 0 < learning_rate(settings, step, total) <= 0.5
