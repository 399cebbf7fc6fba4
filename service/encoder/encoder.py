"""One request to encode: from file to sample to codes, and the errors of as many of them as are asked for."""

from __future__ import annotations

import logging
from typing import Any

from numpy.typing import NDArray

from models.media import TooLarge, Unreadable
from models.runtime.coder import Coder
from service.clock import Clock
from service.encoder.files import read_sample
from service.encoder.shelf import Loaded, Shelf
from service.messages import CodingTiming, Encode, Encoded, Failed, TimeUp, Unusable

_logger = logging.getLogger(__name__)


class _NoTimeLeftError(Exception):
    """Nobody waits for the answer any more."""


class Encoder:
    """Answers requests, each by exactly one message.

    Args:
        models: those that there are.
        clock: of what is left of a request's time.
    """

    def __init__(self, models: Shelf, clock: Clock) -> None:
        self._models = models
        self._clock = clock

    def answer(self, asked: Encode) -> Encoded | Unusable | TimeUp | Failed:
        """What becomes of a request that has just come."""
        deadline = self._clock.now() + asked.remaining_ms / 1000
        loaded = self._models.find(asked.model)
        if loaded is None:
            return Failed(asked.id, f"The bundle of the model {_reference(asked)} is not the one that is served.")
        try:
            return self._encode(asked, loaded, deadline)
        except Unreadable as error:
            return Unusable(asked.id, str(error), too_large=isinstance(error, TooLarge))
        except _NoTimeLeftError:
            return TimeUp(asked.id)
        except Exception:
            _logger.exception("request %s failed", asked.id)
            return Failed(asked.id, f"The model {_reference(asked)} failed on this request.")

    def _encode(self, asked: Encode, loaded: Loaded, deadline: float) -> Encoded:
        manifest, coder = loaded
        start = self._in_time(deadline)
        sample = read_sample(asked.data, asked.media_type, manifest.media, asked.fit, asked.most)
        read = self._in_time(deadline)
        codes = coder.encode(sample)
        encoded = self._in_time(deadline)
        errors = self._errors(coder, sample, codes, asked.lengths, deadline)
        spent = (read - start, encoded - read, self._clock.now() - encoded)
        return Encoded(asked.id, codes, errors, CodingTiming(*(1000 * seconds for seconds in spent)))

    def _errors(
        self, coder: Coder, sample: NDArray[Any], codes: list[int], lengths: list[int], deadline: float
    ) -> list[float]:
        errors = []
        for error in coder.squared_errors(sample, codes, lengths):
            errors.append(error)
            self._in_time(deadline)
        return errors

    def _in_time(self, deadline: float) -> float:
        """The time; raises when there is none left, since others wait."""
        now = self._clock.now()
        if now > deadline:
            raise _NoTimeLeftError
        return now


def _reference(asked: Encode) -> str:
    """The model as clients name it."""
    return asked.model.partition("#")[0]
