"""How long a run's model takes to sample, measured on this machine and kept beside the run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter

import torch
from pydantic import ValidationError

from models.benchmark import machine
from models.bundle.networks import load_networks
from models.config import Frozen
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from training.files import read_json, write_json
from training.report.collect import Finished

BATCH = 100  # as in the paper
REPEATS = 7
TIMING = "timing.json"


class SamplingTime(Frozen):
    """Times of one batch, medians over the repeats.

    Attributes:
        executor: what computed.
        prior_seconds: K numbers, until every sample of the batch has n codes, n = 1 .. K.
        decoder_seconds: K numbers, to decode n codes.
    """

    machine: str
    threads: int
    executor: str
    batch: int
    repeats: int
    prior_seconds: tuple[float, ...]
    decoder_seconds: tuple[float, ...]


def sampling_time(run: Finished) -> SamplingTime:
    """What was measured of a run on this machine with as many threads, or is measured now and kept."""
    path = run.directory / TIMING
    if path.is_file():
        try:
            kept = SamplingTime.model_validate(read_json(path))
        except ValidationError:
            pass  # of another version: it costs a measurement
        else:
            if (kept.machine, kept.threads) == (machine("cpu"), torch.get_num_threads()):
                return kept
    measured = _measure(run)
    write_json(path, measured.model_dump(mode="json"))
    return measured


def _measure(run: Finished) -> SamplingTime:
    networks = load_networks(run.bundle)
    model = build_model(networks.autoencoder, networks.prior, BATCH)
    _once(model, seed=0)  # warm-up
    repeats = [_once(model, seed) for seed in range(1, REPEATS + 1)]
    prior, decoder = (
        tuple(statistics.median(column) for column in zip(*(repeat[part] for repeat in repeats), strict=True))
        for part in (0, 1)
    )
    return SamplingTime(
        machine=machine("cpu"),
        threads=torch.get_num_threads(),
        executor=model.executor.name,
        batch=BATCH,
        repeats=REPEATS,
        prior_seconds=prior,
        decoder_seconds=decoder,
    )


def _once(model: OrderedModel, seed: int) -> tuple[list[float], list[float]]:
    """Seconds until each code of one batch is there, and to decode that many."""
    slots = range(BATCH)
    for slot in slots:
        model.begin(slot, SampleRequest(seed, slot))
    prior, decoder = [], []
    elapsed = 0.0
    for _ in range(model.total_codes):
        elapsed += _seconds(lambda: model.step(slots))
        prior.append(elapsed)
        decoder.append(_seconds(lambda: model.decode(slots)))
    for slot in slots:
        model.release(slot)
    return prior, decoder


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
