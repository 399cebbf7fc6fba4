"""One model on the worker's device: its requests, its costs, and the hands of its scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.runtime.memory import is_out_of_memory
from models.runtime.protocol import AnytimeModel
from service import messages
from service.clock import Clock
from service.outcomes import StopReason
from service.scheduler import MOMENT_S, Costs, Entry, Job, Kind, plan
from service.scheduler.costs import WINDOW, BatchCosts
from service.scheduler.timetable import step_cost
from service.worker.measure import Encode, measure_encode, measure_model
from service.worker.requests import Request
from service.worker.stopwatch import Stopwatch

_logger = logging.getLogger(__name__)

Send = Callable[[messages.FromWorker], None]


class _Sample(NamedTuple):
    """A decoded job."""

    job: Job
    media: NDArray[np.float32]
    codes: list[int]


class Engine:
    """Holds the requests for one model and carries out one plan per turn.

    A request that makes the runtime raise is answered with `Failed` and its slots are released; the others go on. Where
    the device has too little memory for a batch, batches are half as large from then on.

    Args:
        name: the model's identity.
        model: the runtime, used by nobody else.
        quality: expected quality after 0 .. K codes.
        costs: seeded by warm-up.
        encode: sample, format and scale to bytes.
        usual: how its samples are encoded when a request does not say.
        clock: of the deadlines.
        send: hands a message to the API process.

    Attributes:
        steps: every step since whoever reports them took them away.
        suspect: whether the runtime has raised since it was last seen to work.
        shortages: how often memory was too little for a batch.
    """

    def __init__(
        self,
        name: str,
        model: AnytimeModel,
        quality: Sequence[float],
        costs: Costs,
        encode: Encode,
        usual: Kind,
        clock: Clock,
        send: Send,
    ) -> None:
        self.name = name
        self.model = model
        self.costs = costs
        self.steps: list[messages.StepStat] = []
        self.suspect = False
        self.shortages = 0
        self._quality = quality
        self._encode = encode
        self._usual = usual
        self._clock = clock
        self._watch = Stopwatch(clock)
        self._send = send
        self._requests: dict[str, Request] = {}
        self._jobs: dict[Job, Request] = {}
        self._doubted: tuple[int, Kind] = (1, usual)
        self._doubts = 0

    @property
    def reference(self) -> str:
        """The model as clients name it, `name@version`."""
        return self.name.partition("#")[0]

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._jobs)

    @property
    def turn_s(self) -> float:
        """Seconds that its next turn may take: some steps of all its slots, or the end of all that run."""
        running = [job for job in self._jobs if job.slot is not None]
        step = self.costs.step(min(len(self._jobs), self.model.slots))
        return max(
            max(step, step_cost(running, self.costs)) + MOMENT_S, self.costs.finish(job.encoding for job in running)
        )

    @property
    def reserve_s(self) -> float:
        """Seconds kept back now to finish those that run; with none, what one would need."""
        running = [job.encoding for job in self._jobs if job.slot is not None]
        return self.costs.finish(running or [self._usual])

    def counts(self) -> tuple[int, int]:
        """How many requests hold a slot, and how many wait for one."""
        running = sum(any(job.slot is not None for job in request.jobs) for request in self._requests.values())
        return running, len(self._requests) - running

    def submit(self, message: messages.Submit, received: float, *, draining: bool = False) -> None:
        """Take a request in. While draining it ends with its first codes."""
        request = Request(message, received, StopReason.DRAIN if draining else None)
        self._requests[request.id] = request
        self._jobs.update(dict.fromkeys(request.jobs, request))

    def extend(self, request_id: str, deadline: float) -> None:
        """Give a request another deadline. One that is not here has ended before."""
        if request := self._requests.get(request_id):
            for job in request.jobs:
                job.deadline = deadline

    def stop(self, request_id: str) -> None:
        """Let a request end at its present prefix. One that is not here has ended before."""
        if request := self._requests.get(request_id):
            request.stop(StopReason.CLIENT_STOP)

    def cancel(self, request_id: str) -> None:
        """Forget a request and free its slots. One that is not here has ended before."""
        if request := self._requests.get(request_id):
            self._forget(request)

    def drain(self) -> None:
        """Let every request end at its present prefix."""
        for request in self._requests.values():
            request.stop(StopReason.DRAIN)

    def turn(self, since: float, others: float = 0.0) -> float:
        """Decide what is best now, and do it.

        Args:
            since: until when the worker's time is accounted for; what it has done after that, read requests for one, is
                part of what this turn costs.
            others: seconds for which other models may have the device before this one's next turn.

        Returns:
            Until when it is accounted for now.
        """
        self._watch.since = since
        now = self._clock.now()
        chosen = plan(now, tuple(self._jobs), self.costs, self._quality, self.model.slots, others)
        self._enter(chosen.enter, now)
        if chosen.step:
            self._step(chosen.step, chosen.codes)
        elif chosen.decode:
            self._finish(dict(chosen.decode))
        elif chosen.preview:
            self._preview(chosen.preview)
        return self._watch.since

    def doubt(self, samples: int, kind: Kind) -> None:
        """What so many samples of this encoding cost is to be measured again, until nothing known of it is old."""
        self._doubted = (min(samples, self.model.slots), kind)
        self._doubts = WINDOW

    @property
    def in_doubt(self) -> bool:
        """Whether there is something to measure again."""
        return self._doubts > 0

    def remeasure(self) -> None:
        """One measurement of what is in doubt. For when the worker is idle; raises what the runtime raises."""
        self._doubts -= 1
        samples, kind = self._doubted
        samples = min(samples, self.costs.steps.largest, self.costs.decodes.largest)
        decoded = measure_model(self.model, samples, self.costs, self._clock)
        measure_encode(self._encode, decoded.media[0], kind, self.costs, self._clock)

    def check_integrity(self) -> None:
        """Raise AssertionError if requests, jobs and slots disagree. For when the worker is idle."""
        self.model.check_integrity()
        for job, request in self._jobs.items():
            if self._requests.get(request.id) is not request or job not in request.jobs:
                raise AssertionError(f"sample {job.index} of {job.request} is planned, but its request is gone")
            if job.slot is not None and self.model.position(job.slot) != job.position:
                raise AssertionError(
                    f"slot {job.slot} is at {self.model.position(job.slot)}, its job at {job.position}"
                )
        slots = _slots(self._jobs)
        if len(set(slots)) != len(slots):
            raise AssertionError(f"slots are held twice: {sorted(slots)}")

    def _enter(self, entries: Sequence[Entry], now: float) -> None:
        for job, slot in entries:
            request = self._jobs.get(job)
            if request and self._guarded(job, partial(self.model.begin, slot, request.sample(job.index))):
                job.slot = slot
                request.entered(now)

    def _step(self, jobs: Sequence[Job], codes: int) -> None:
        """So many more codes for each; what the first takes includes all that was done before it."""
        for part in self._parts(jobs, self.costs.steps):
            self._step_part(part, codes)

    def _parts(self, jobs: Sequence[Job], costs: BatchCosts) -> list[Sequence[Job]]:
        """In batches of which each is done in one call, and is in one stage."""
        stages: dict[int, list[Job]] = {}
        for job in jobs:
            stages.setdefault(self.costs.stage_of(job.position), []).append(job)
        size = costs.largest
        return [group[start : start + size] for group in stages.values() for start in range(0, len(group), size)]

    def _step_part(self, jobs: Sequence[Job], codes: int) -> None:
        """The same in one batch; if that fails, each alone, or where memory is short in smaller ones."""
        jobs = self._still_here(jobs)
        if not jobs:
            return
        reading, stage = any(job.unread for job in jobs), self.costs.stage_of(jobs[0].position)
        slots = _slots(jobs)
        missing = self._missing(jobs[0], codes)  # fewer if a larger batch has drawn some
        try:
            self.model.step(slots)
            first = self._watch.lap()
            if missing > 1:
                self.model.step(slots, missing - 1)
        except Exception as error:
            if self._short_of_memory(error, len(jobs), self.costs.steps, self.costs.repeats):
                self._step(jobs, codes)
                return
            _logger.exception("a step of %d slots failed; stepping each alone", len(jobs))
            jobs = self._still_here([job for job in jobs if self._guarded(job, partial(self._step_alone, job, codes))])
            self._watch.lap()  # what a failure takes is no cost
        else:
            rest = self._watch.lap()
            if not reading:
                self._learn_step(len(jobs), stage, missing, first, rest)
        for job in jobs:
            job.position += codes
            job.unread = 0

    def _short_of_memory(self, error: Exception, batch: int, *costs: BatchCosts) -> bool:
        """Whether a batch failed for want of memory, and smaller ones may not: they are all smaller from now on."""
        if not is_out_of_memory(error):
            return False
        self.shortages += 1
        self._watch.lap()  # what a failure takes is no cost
        padded = next(bucket for bucket in costs[0].buckets if bucket >= batch)
        if padded == costs[0].buckets[0]:
            return False
        for each in costs:
            each.limit(padded // 2)
        _logger.error(
            "%s: too little memory for a batch of %d, at most %d from now on: %s",
            *(self.reference, batch, costs[0].largest, error),
        )
        return True

    def _learn_step(self, batch: int, stage: int, codes: int, first: float, rest: float) -> None:
        self.costs.steps.observe(batch, first, stage)
        self.steps.append(messages.StepStat(batch, first))
        if codes > 1:
            each = rest / (codes - 1)
            self.costs.repeats.observe(batch, each, stage)
            self.steps.append(messages.StepStat(batch, each, codes - 1))

    def _step_alone(self, job: Job, codes: int) -> None:
        """Draw for one job the codes that the batch which failed has not drawn for it."""
        if missing := self._missing(job, codes):
            self.model.step(_slots([job]), missing)

    def _missing(self, job: Job, codes: int) -> int:
        """How many of so many codes have not been drawn."""
        return 0 if job.slot is None else job.position + codes - self.model.position(job.slot)

    def _finish(self, endings: dict[Job, StopReason]) -> None:
        """Decode, free the slots, encode; a request whose last sample this was is answered."""
        samples = self._decode(list(endings))
        for sample in samples:
            self._leave_slot(sample.job)
        for sample in samples:
            self._encode_sample(sample, partial(self._complete, sample, endings[sample.job]))

    def _preview(self, jobs: Sequence[Job]) -> None:
        """Decode and encode without disturbing the slots."""
        for sample in self._decode(jobs):
            self._encode_sample(sample, partial(self._show, sample))

    def _decode(self, jobs: Sequence[Job]) -> list[_Sample]:
        """Decode in as few batches as there is memory for."""
        samples = [sample for part in self._parts(jobs, self.costs.decodes) for sample in self._decode_part(part)]
        order = {job: index for index, job in enumerate(jobs)}
        return sorted(samples, key=lambda sample: order[sample.job])

    def _decode_part(self, jobs: Sequence[Job]) -> list[_Sample]:
        """Decode in one batch; if that fails, each alone, or where memory is short in smaller ones."""
        jobs = self._still_here(jobs)
        if not jobs:
            return []
        stage = self.costs.stage_of(jobs[0].position)
        try:
            samples = self._decode_batch(jobs)
        except Exception as error:
            if self._short_of_memory(error, len(jobs), self.costs.decodes):
                return self._decode(jobs)
            _logger.exception("a decode of %d slots failed; decoding each alone", len(jobs))
            samples = []
            for job in jobs:
                self._guarded(job, partial(self._decode_alone, job, samples))
        took = self._watch.lap()
        self.costs.decodes.observe(len(jobs), took, stage)
        for request in {self._jobs[sample.job] for sample in samples if sample.job in self._jobs}:
            request.decode_s += took
        return [sample for sample in samples if sample.job in self._jobs]

    def _decode_batch(self, jobs: Sequence[Job]) -> list[_Sample]:
        decoded = self.model.decode(_slots(jobs))
        return [_Sample(*each) for each in zip(jobs, decoded.media, decoded.codes, strict=True)]

    def _decode_alone(self, job: Job, samples: list[_Sample]) -> None:
        samples += self._decode_batch([job])

    def _encode_sample(self, sample: _Sample, use: Callable[[Request, bytes], None]) -> None:
        """Encode a sample and use the bytes; both together are what encoding costs."""
        request = self._jobs.get(sample.job)
        if request is None:  # another sample of its request has failed
            return
        began = self._clock.now()

        def encode() -> None:
            data = self._encode(sample.media, request.encoding.format, request.encoding.scale)
            request.encode_s += self._clock.now() - began
            use(request, data)

        encoded = self._guarded(sample.job, encode)
        took = self._watch.lap()
        if encoded:
            self.costs.encodes.observe(sample.job.encoding, took)

    def _complete(self, sample: _Sample, reason: StopReason, request: Request, data: bytes) -> None:
        del self._jobs[sample.job]
        request.keep(self._output(sample, data, reason))
        if request.done:
            del self._requests[request.id]
            self._send(request.result(self._clock.now()))

    def _show(self, sample: _Sample, request: Request, data: bytes) -> None:
        job = sample.job
        now = self._clock.now()
        job.previewed = job.position
        job.preview_at = now + (job.preview_every or 0.0)
        self._send(messages.Preview(request.id, self._output(sample, data, ""), (now - request.received) * 1000))

    def _output(self, sample: _Sample, data: bytes, reason: str) -> messages.Output:
        return messages.Output(sample.job.index, data, sample.codes, reason, self._quality[len(sample.codes)])

    def _guarded(self, job: Job, action: Callable[[], object]) -> bool:
        """Do something for one job; if that raises, its request has failed. False then, or if it had before."""
        request = self._jobs.get(job)
        if request is None:
            return False
        try:
            action()
        except Exception:
            _logger.exception("request %s failed", request.id)
            self.suspect = True
            self._forget(request)
            self._send(messages.Failed(request.id, f"The model {self.reference} failed on this request."))
            return False
        return True

    def _still_here(self, jobs: Sequence[Job]) -> list[Job]:
        """Those whose request has not failed in the meantime."""
        return [job for job in jobs if job in self._jobs]

    def _forget(self, request: Request) -> None:
        self._requests.pop(request.id, None)
        for job in request.jobs:
            self._leave_slot(job)
            self._jobs.pop(job, None)

    def _leave_slot(self, job: Job) -> None:
        if job.slot is not None:
            self.model.release(job.slot)
            job.slot = None


def _slots(jobs: Iterable[Job]) -> list[int]:
    return [job.slot for job in jobs if job.slot is not None]
