"""A request's samples, from receipt to result."""

from __future__ import annotations

from models.runtime.protocol import SampleRequest
from service import messages
from service.outcomes import StopReason
from service.scheduler import Job


class Request:
    """A request in progress: its samples, those that are already encoded, and where its time went.

    Args:
        submit: what was asked for.
        received: when it arrived, in seconds; its remaining time is anchored here.
        stop: DRAIN if it should end as soon as it can.
    """

    def __init__(self, submit: messages.Submit, received: float, stop: StopReason | None = None) -> None:
        self.id = submit.id
        self.received = received
        self.encoding = submit.encoding
        self.decode_s = 0.0
        self.encode_s = 0.0
        self._sampling = submit.sampling
        given = [len(submit.sampling.given(index)) for index in range(submit.n)]
        self._entered: float | None = None
        self._outputs: dict[int, messages.Output] = {}
        self.jobs = [
            Job(
                request=submit.id,
                index=index,
                arrival=received,
                deadline=received + submit.remaining_ms / 1000,
                min_codes=submit.min_codes,
                max_codes=given[index] if submit.sampling.whole else submit.max_codes,
                target_codes=submit.target_codes,
                priority=submit.priority,
                encoding=(submit.encoding.format, submit.encoding.scale),
                position=given[index],
                unread=given[index],
                preview_every=None if submit.preview_ms is None else submit.preview_ms / 1000,
                stop=stop,
            )
            for index in range(submit.n)
        ]

    @property
    def done(self) -> bool:
        """Whether every sample is encoded."""
        return len(self._outputs) == len(self.jobs)

    def stop(self, reason: StopReason) -> None:
        """Let every sample end at its present prefix."""
        for job in self.jobs:
            job.stop = job.stop or reason

    def sample(self, index: int) -> SampleRequest:
        """What the runtime is asked to draw for one sample."""
        asked = self._sampling
        return SampleRequest(
            asked.seed,
            asked.index + index,
            asked.label,
            asked.temperature,
            asked.top_k,
            asked.top_p,
            asked.given(index),
        )

    def entered(self, now: float) -> None:
        """A sample got its slot; the wait of the request ends with the first."""
        if self._entered is None:
            self._entered = now

    def keep(self, output: messages.Output) -> None:
        """A sample is encoded; it waits for the others."""
        self._outputs[output.index] = output

    def result(self, now: float) -> messages.Result:
        """The answer, once `done`. What was neither waiting, decoding nor encoding counts as sampling."""
        total = now - self.received
        queue = (now if self._entered is None else self._entered) - self.received
        sample = max(total - queue - self.decode_s - self.encode_s, 0.0)
        spent = (queue, sample, self.decode_s, self.encode_s, total)
        timing = messages.Timing(*(seconds * 1000 for seconds in spent))
        return messages.Result(self.id, [self._outputs[index] for index in range(len(self.jobs))], timing)
