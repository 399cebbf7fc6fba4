"""What every peer runs: the service's own runtime and encoder, between a request's JSON and an answer's."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import msgspec
import torch
from bench.peers.tuning import BUNDLE, SLOTS, THREADS, tuning

from models.bundle.reader import AnyManifest
from models.runtime import AnytimeModel, load_model
from models.runtime.determinism import configure
from models.runtime.protocol import SampleRequest
from service.encode import encode

_WARM_UPS = 3


class Request(msgspec.Struct, frozen=True):
    """As much of a request as the peers look at. Each is for one sample."""

    seed: int
    deadline_ms: float = 1000.0


class _Output(msgspec.Struct):
    media_type: str
    codes: list[int]
    codes_total: int
    expected_quality: float
    seed: int
    b64: bytes
    stop_reason: str = "complete"


class _Answer(msgspec.Struct):
    outputs: list[_Output]


class Sampler:
    """Draws samples of a fixed length in the slots of a model.

    Attributes:
        codes: of every sample.
    """

    def __init__(self, manifest: AnyManifest, model: AnytimeModel, codes: int = 0) -> None:
        self.model = model
        self.codes = codes or model.total_codes
        self._manifest = manifest
        self._encoder = msgspec.json.Encoder()

    def begin(self, slot: int, request: Request) -> None:
        """Occupy a free slot."""
        self.model.begin(slot, SampleRequest(request.seed, **self._manifest.sampling.model_dump()))

    def finish(self, slots: Sequence[int], requests: Sequence[Request]) -> list[bytes]:
        """Decode slots together, free them, and write each sample's answer."""
        decoded = self.model.decode(slots)
        for slot in slots:
            self.model.release(slot)
        answers = []
        for request, media, codes in zip(requests, decoded.media, decoded.codes, strict=True):
            quality = self._manifest.quality_curve[len(codes)]
            png = encode(self._manifest.media, media, "png")
            output = _Output("image/png", codes, self._manifest.codes, quality, request.seed, png)
            answers.append(self._encoder.encode(_Answer([output])))
        return answers

    def complete(self, requests: Sequence[Request]) -> list[bytes]:
        """Draw one sample per request, all together from the first code to the last; at most `SLOTS`."""
        slots = range(len(requests))
        for slot, request in zip(slots, requests, strict=True):
            self.begin(slot, request)
        for _ in range(self.codes):
            self.model.step(slots)
        return self.finish(slots, requests)


def load() -> Sampler:
    """The bundle, set up as a worker of the service sets it up: reproducible arithmetic, warm, a settled heap."""
    configure()  # before the first arithmetic of the process
    torch.set_num_threads(THREADS)
    torch.set_num_interop_threads(1)
    sampler = Sampler(*load_model(BUNDLE, "cpu", SLOTS), tuning().codes)
    for bucket in sampler.model.buckets:
        for _ in range(_WARM_UPS):
            sampler.complete([Request(seed) for seed in range(bucket)])
    gc.collect()
    gc.freeze()
    return sampler
