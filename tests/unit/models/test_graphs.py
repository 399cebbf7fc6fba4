"""The executor for CUDA devices, on the CPU: its work as it is, and recorded and replayed as a graph would be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from factories import RESIDUAL, tiny_manifest, tiny_networks
from graph_models import NETWORKS, executor_of, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_graphs import HostWaited, NoWaiting, RecordedGraphs, kernels
from torch import Tensor

from models.bundle.networks import Networks, load_networks
from models.runtime.executors import build_model
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.graphs.launcher import Eager
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from service.settings import PRETRAINED

SLOTS = 13
REQUESTS = [
    SampleRequest(slot, slot % 3, slot % 4 or None if slot % 4 < 3 else None, 0.0 if slot == 5 else 0.8, slot % 4)
    for slot in range(SLOTS)
]


def drawn(model: OrderedModel, groups: Sequence[Sequence[int]] = (range(SLOTS),)) -> list[list[int]]:
    """The codes of all requests, their slots stepped in these groups, a third of their codes given."""
    for slot, request in enumerate(REQUESTS):
        model.begin(slot, replace(request, top_p=0.8 if slot % 3 else 1.0, codes=(3, 1, 2)[: slot % 4]))
    for group in groups:
        for slot in group:
            model.step([slot], model.total_codes - model.position(slot) - 1)
        model.step(group)
    model.check_integrity()
    codes = model.codes(range(SLOTS))
    for slot in range(SLOTS):
        model.release(slot)
    return codes


GROUPS = ([range(SLOTS)], [[5, 0, 9], [1], [12, 2, 3, 4, 6, 7, 8, 10, 11]], [[slot] for slot in range(SLOTS)])


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("groups", GROUPS)
def test_codes_are_the_references(groups: Sequence[Sequence[int]], recorded: bool) -> None:
    model = model_of(launcher=RecordedGraphs() if recorded else None)
    reference = build_model(NETWORKS.autoencoder, NETWORKS.prior, SLOTS, "reference")
    assert drawn(model, groups) == drawn(reference)


def test_replayed_work_is_what_it_was_as_it_ran() -> None:
    """In half precision, where what is drawn may differ from the reference's."""
    assert drawn(model_of(launcher=RecordedGraphs(), exact=False)) == drawn(model_of(exact=False))


@pytest.mark.parametrize("exact", [True, False])
def test_logits_are_those_of_the_full_pass(exact: bool) -> None:
    executor = executor_of(exact=exact)
    model = OrderedModel(NETWORKS.prior.vocabulary, executor)
    labels = [slot % 4 for slot in range(SLOTS)]
    for slot, label in enumerate(labels):
        model.begin(slot, SampleRequest(slot, label=None if label == 3 else label))
    logits = []
    for _ in range(model.total_codes):
        model.step(range(SLOTS))
        logits.append(executor.logits().clone())
    expected = NETWORKS.prior(torch.tensor(model.codes(range(SLOTS))), torch.tensor(labels))
    assert torch.allclose(torch.stack(logits, dim=1).float(), expected, atol=1e-5 if exact else 0.02, rtol=0)


def test_the_shipped_model_draws_the_references_codes_and_nearly_so_in_half_precision() -> None:
    networks = load_networks(PRETRAINED / "fashion-mnist")
    reference = build_model(networks.autoencoder, networks.prior, 10, "reference")
    codes, media = [], []
    for model in (reference, model_of(networks, 10), model_of(networks, 10, exact=False)):
        for slot in range(10):
            model.begin(slot, SampleRequest(slot, label=slot, **networks.manifest.sampling.model_dump()))
        model.step(range(10), model.total_codes)
        decoded = model.decode(range(10))
        codes.append(np.array(decoded.codes))
        media.append(decoded.media)
    assert np.array_equal(codes[0], codes[1])
    assert np.allclose(media[0], media[1], atol=1e-5)
    assert (codes[0] == codes[2]).mean() > 0.95


def state_of(executor: GraphExecutor) -> dict[str, Tensor]:
    """Everything that a step reads and writes, by a slot's rows first."""
    return {"records": executor._records.table, "memory": executor._prior.memory.transpose(0, 1)}


@settings(max_examples=50)
@given(st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted), st.booleans())
def test_nothing_changes_but_the_slots_that_are_named_and_the_spare_row(slots: list[int], prefixed: bool) -> None:
    executor = executor_of()
    model = OrderedModel(NETWORKS.prior.vocabulary, executor)
    for slot in range(SLOTS):
        model.begin(slot, SampleRequest(slot, codes=(1, 2)))
    if not prefixed:
        model.step(range(SLOTS))
    before = {name: tensor.clone() for name, tensor in state_of(executor).items()}
    model.step(slots, 2)
    others = [slot for slot in range(SLOTS) if slot not in slots]
    for name, tensor in state_of(executor).items():
        assert torch.equal(tensor[others], before[name][others])
        assert all(not torch.equal(tensor[slot], before[name][slot]) for slot in slots)
    assert executor._records.positions[SLOTS] == 0


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("networks", [NETWORKS, tiny_networks(tiny_manifest(autoencoder=RESIDUAL))])
def test_on_a_device_that_cannot_be_read_everything_runs_but_what_brings_something_back(
    networks: Networks, restricted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meta tensor has no numbers: what asks for one fails."""
    monkeypatch.setattr(GraphExecutor, "_agreeing", lambda _: (1, 2, 4))  # it asks, at the start
    executor = executor_of(networks, 4, Eager(torch.device("meta")))
    model = OrderedModel(networks.prior.vocabulary, executor)
    for slot in range(4):
        model.begin(slot, SampleRequest(slot, codes=(1, 2, 3)[:slot], top_k=slot * restricted))
    model.step([0, 1])
    model.step(range(4), codes=2)
    assert all(tensor.is_meta for tensor in (*state_of(executor).values(), executor.logits()))
    with pytest.raises(NotImplementedError, match="no data"):
        model.codes([0])
    with pytest.raises(NotImplementedError, match="no data"):
        executor.decode([0])


def test_what_would_wait_cannot_be_recorded() -> None:
    """The check that the other tests rely on."""
    numbers = torch.arange(3.0)
    would_wait: tuple[Callable[[], object], ...] = (
        lambda: numbers[numbers > 1],
        lambda: numbers * numbers.max().item(),
        lambda: -numbers if numbers.any() else numbers,
        partial(torch.nonzero, numbers),
        lambda: numbers.to("meta"),
    )
    for waiting in would_wait:
        with pytest.raises(HostWaited), NoWaiting():
            waiting()


def test_every_buffer_stays_where_it_is() -> None:
    launcher = RecordedGraphs()
    executor = executor_of(launcher=launcher)
    model = OrderedModel(NETWORKS.prior.vocabulary, executor)

    def addresses() -> list[int]:
        held = [*state_of(executor).values(), *(graph.result for graph in launcher.graphs)]
        held += [tensor for batch in executor._batches.values() for tensor in (batch.rows, batch.numbers)]
        return [tensor.data_ptr() for tensor in held]

    before = addresses()
    drawn(model, GROUPS[1])
    model.begin(0, SampleRequest(1))
    model.decode([0])
    assert addresses() == before


def test_each_batch_size_has_graphs_of_its_own_and_nothing_is_recorded_later() -> None:
    launcher = RecordedGraphs()
    executor = executor_of(slots=5, launcher=launcher)
    assert set(executor.buckets) <= {1, 2, 4, 5}
    assert executor.buckets[-1] == 5
    count = len(launcher.graphs)
    model = OrderedModel(NETWORKS.prior.vocabulary, executor)
    for slot in range(5):
        model.begin(slot, SampleRequest(slot, top_k=2 if slot == 4 else 0))

    def launched(slots: Sequence[int], codes: int = 1) -> list[int]:
        launcher.launched.clear()
        model.step(slots, codes)
        return launcher.launched.copy()

    (few,) = launched([0])
    assert launched([2, 0], 2) == launched([0, 2]) * 2  # a code is a launch
    (all_plain,) = launched([0, 1, 2, 3])
    (all_restricted,) = launched([0, 1, 2, 3, 4])
    assert all_restricted not in {few, all_plain}
    assert len(launcher.graphs) == count
    sizes = {graph.number: len(graph.result) for graph in launcher.graphs}
    assert sizes[few] in executor.buckets
    assert sizes[all_restricted] == 5
    launcher.launched.clear()
    model.decode([1, 3, 4])
    assert [sizes[number] for number in launcher.launched] == [4]


def test_a_step_is_ten_kernels_for_each_layer_and_few_around_them() -> None:
    """A launch is what a step of one sample costs on a GPU."""
    launcher = RecordedGraphs()
    executor = executor_of(slots=2, launcher=launcher, exact=False)
    assert executor.buckets == (1, 2)
    full, full_restricted, one, one_restricted = (sum(kernels(graph.calls).values()) for graph in launcher.graphs[:4])
    layers = 2
    assert one == 10 * layers + 17
    assert one_restricted == one + 15
    assert (full, full_restricted) == (one - layers, one_restricted - layers)  # it reads keys and values where they lie


def test_given_codes_of_many_slots_are_read_together() -> None:
    launcher = RecordedGraphs()
    model = model_of(slots=32, launcher=launcher)
    assert model.buckets[-2] == 16
    for slot in range(4):
        model.begin(slot, SampleRequest(slot, codes=(1, 2, 3, 4, 5)))
    launcher.launched.clear()
    model.step(range(4))
    assert [len(launcher.graphs[number].result) for number in launcher.launched] == [16, 4, 4]  # 20 tokens, and a step


def test_where_only_the_full_table_agrees_it_is_used_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(model_of())
    exact = GraphExecutor._logits_of

    def sloppy(executor: GraphExecutor, slots: range, size: int) -> Tensor:
        return exact(executor, slots, size) * (1 + 1e-6 * (size < SLOTS))

    monkeypatch.setattr(GraphExecutor, "_logits_of", sloppy)
    model = model_of()
    assert model.buckets == (SLOTS,)
    assert drawn(model, GROUPS[1]) == expected


MORE_THAN_AT_ONCE = 300


def test_more_samples_than_are_decoded_at_once_come_in_their_order() -> None:
    model = model_of(slots=MORE_THAN_AT_ONCE)
    slots = [*range(MORE_THAN_AT_ONCE - 1, -1, -1)]
    for slot in slots:
        model.begin(slot, SampleRequest(slot, codes=(slot % 8, slot // 8 % 8)))
    decoded = model.decode(slots)
    assert decoded.codes == [[slot % 8, slot // 8 % 8] for slot in slots]
    for row in (0, 43, 44, 255, 256, 299):
        assert np.allclose(decoded.media[row], model.decode([slots[row]]).media[0], atol=1e-6)
