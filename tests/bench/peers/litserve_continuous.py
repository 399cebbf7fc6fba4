"""LitServe with its loop for continuous batching: a request joins between two steps and leaves when it is complete."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec
from bench.peers.litserve_options import run
from bench.peers.sampler import Request, load
from bench.peers.tuning import PATH, SLOTS, tuning
from litserve import LitAPI, LitServer
from litserve.loops import ContinuousBatchingLoop
from litserve.loops.continuous_batching_loop import Output
from litserve.utils import LitAPIStatus

_REST_SECONDS = 0.0005


class _Loop(ContinuousBatchingLoop):  # type: ignore[misc]
    """LitServe's own, except for two things that it leaves out."""

    async def run(self, lit_api: LitAPI, *arguments: Any, **options: Any) -> None:
        """Until there is nothing to do; then it rests, or else asking for more would take a whole core."""
        if not lit_api.has_active_requests():
            await asyncio.sleep(_REST_SECONDS)
        await super().run(lit_api, *arguments, **options)

    def get_request(self, *arguments: Any, **options: Any) -> Any:
        """The next of the queue, which knows when the request came; its body is told, for nothing else is passed on."""
        found = super().get_request(*arguments, **options)
        if found is not None:
            _, _, received, body = found
            body["received"] = received
        return found


@dataclass(frozen=True, slots=True)
class _Job:
    """A request, under the loop's name for it, and when its time is up."""

    uid: str
    request: Request
    deadline: float

    def has(self, seconds: float) -> bool:
        """Whether so much time is left."""
        return time.monotonic() + seconds < self.deadline


class ContinuousAPI(LitAPI):  # type: ignore[misc]
    """The hooks that LitServe's `ContinuousBatchingLoop` calls: all in its event loop, except `step`, in a thread."""

    def setup(self, _device: str) -> None:
        """In the worker process, before the first request."""
        self._sampler = load()
        self._tuning = tuning()
        self._free = list(range(SLOTS))
        self._waiting: deque[_Job] = deque()
        self._running: dict[int, _Job] = {}

    def add_request(self, uid: str, request: dict[str, Any]) -> None:
        """A request has come. It only queues here: the model belongs to the thread of `step`."""
        asked = msgspec.convert(request, Request)
        self._waiting.append(_Job(uid, asked, request["received"] + asked.deadline_ms / 1000))

    def has_capacity(self) -> bool:
        """Always: the loop's own queue, unlike this one, holds up a request that waits until another comes."""
        return True

    def has_active_requests(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._waiting or self._running)

    def step(self, _previous: list[Output] | None) -> list[Output]:
        """As many codes as it takes until a sample is complete or a request expires.

        The loop sleeps whenever a step has nothing to send, so none returns empty-handed.
        """
        outputs: list[Output] = []
        while not outputs:
            outputs += self._expire()
            self._admit()
            if self._running:
                self._sampler.model.step(list(self._running))
                outputs += self._finish()
        return outputs

    def _expire(self) -> list[Output]:
        """Give up what nobody waits for any more. A stream cannot say so: its answer has status 200 and no body."""
        gone = []
        for slot in [slot for slot, job in self._running.items() if not job.has(0)]:
            gone.append(self._running.pop(slot))
            self._sampler.model.release(slot)
            self._free.append(slot)
        kept: list[_Job] = []
        for job in [self._waiting.popleft() for _ in range(len(self._waiting))]:
            (kept if job.has(self._tuning.slack_ms / 1000) else gone).append(job)
        self._waiting.extendleft(reversed(kept))
        return [Output(job.uid, TimeoutError("its deadline has passed"), LitAPIStatus.ERROR) for job in gone]

    def _admit(self) -> None:
        while self._waiting and self._free and len(self._running) < self._tuning.max_batch:
            slot, job = self._free.pop(), self._waiting.popleft()
            self._sampler.begin(slot, job.request)
            self._running[slot] = job

    def _finish(self) -> list[Output]:
        """Samples that have all their codes leave, in two outputs each: what ends a stream carries nothing."""
        model = self._sampler.model
        slots = [slot for slot in self._running if model.position(slot) == self._sampler.codes]
        if not slots:
            return []
        jobs = [self._running.pop(slot) for slot in slots]
        answers = self._sampler.finish(slots, [job.request for job in jobs])
        self._free += slots
        outputs = []
        for job, answer in zip(jobs, answers, strict=True):
            outputs += [Output(job.uid, answer, LitAPIStatus.OK), Output(job.uid, b"", LitAPIStatus.FINISH_STREAMING)]
        return outputs


def main() -> None:
    """Serve until told to stop."""
    api = ContinuousAPI(max_batch_size=tuning().max_batch, stream=True, loop=_Loop(), api_path=PATH)
    run(LitServer(api, accelerator="cpu", timeout=False, fast_queue=True))


if __name__ == "__main__":
    main()
