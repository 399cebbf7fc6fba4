"""LitServe with its loop for batches: collects requests, then draws their samples from the first code to the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from bench.peers.litserve_options import run
from bench.peers.sampler import Request, load
from bench.peers.tuning import PATH, tuning
from litserve import LitAPI, LitServer
from starlette.responses import Response


class BatchedAPI(LitAPI):  # type: ignore[misc]
    """The hooks that LitServe's `BatchedLoop` calls."""

    def setup(self, _device: str) -> None:
        """In the worker process, before the first request."""
        self._sampler = load()

    def predict(self, x: Sequence[dict[str, Any]], **_: object) -> list[Response]:
        """A batch of bodies; the answers are ready to send, so that nothing looks through them again."""
        answers = self._sampler.complete([msgspec.convert(body, Request) for body in x])
        return [Response(answer, media_type="application/json") for answer in answers]


def main() -> None:
    """Serve until told to stop."""
    chosen = tuning()
    api = BatchedAPI(max_batch_size=chosen.max_batch, batch_timeout=chosen.wait_ms / 1000, api_path=PATH)
    run(LitServer(api, accelerator="cpu", timeout=chosen.timeout_ms / 1000, fast_queue=True))


if __name__ == "__main__":
    main()
