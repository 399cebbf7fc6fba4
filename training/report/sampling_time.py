"""How long a run's model takes to sample, measured on this machine and kept beside the run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter

import torch

from models.benchmark import machine
from models.bundle.networks import load_networks
from models.config import Frozen
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from training.report.beside import read_beside, write_beside
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
    """What was measured of a run on this machine with as many threads, or is measured now and kept.

    Of a run that is kept without its model, what was measured wherever that was.
    """
    path = run.directory / TIMING
    kept = read_beside(path, SamplingTime)
    if kept and ((kept.machine, kept.threads) == (machine("cpu"), torch.get_num_threads()) or not run.bundle.is_dir()):
        return kept
    measured = _measure(run)
    write_beside(path, measured)
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
