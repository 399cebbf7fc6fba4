"""mosec with dynamic batching: collects requests, then draws their samples from the first code to the last."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from bench.peers.sampler import Request, load
from bench.peers.tuning import PATH, tuning
from mosec import Server, Worker

_FORWARD_SECONDS = 10.0  # no batch takes as long: this is for those that hang


class Batched(Worker):
    """The one stage."""

    def __init__(self) -> None:
        super().__init__()
        self._sampler = load()

    def deserialize(self, data: bytes) -> Request:
        """A body."""
        return msgspec.json.decode(data, type=Request)

    def forward(self, data: list[Request]) -> list[bytes]:
        """A batch."""
        return self._sampler.complete(data)

    def serialize(self, data: Any) -> bytes:
        """An answer, which is written already."""
        return bytes(data)


def main() -> None:
    """Serve until told to stop."""
    chosen = tuning()
    # Its settings are its command line's; the port is there already.
    sys.argv += ["--address", "127.0.0.1", "--log-level", "error"]
    sys.argv += ["--timeout", str(round(chosen.timeout_ms)), "--capacity", str(chosen.queue)]
    server = Server()
    server.append_worker(
        Batched,
        max_batch_size=chosen.max_batch,
        max_wait_time=round(chosen.wait_ms),
        timeout=_FORWARD_SECONDS,
        route=PATH,
    )
    server.run()


if __name__ == "__main__":
    main()
