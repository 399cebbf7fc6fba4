"""The worker's end of the socket to the API process."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import zmq

from service.messages import FromWorker, ToWorker

_LINGER_MS = 1000


class Channel:
    """Sends and receives messages without asyncio.

    There is no high-water mark: an answer is never dropped and sending never blocks the loop; what can pile up is
    bounded by the requests that were accepted.

    Args:
        endpoint: the ZeroMQ address that the API process has bound.
        wake: a file descriptor that ends `wait` when it becomes readable, None for none.
    """

    def __init__(self, endpoint: str, wake: int | None = None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.set_hwm(0)
        self._socket.linger = _LINGER_MS
        self._socket.connect(endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        if wake is not None:
            self._poller.register(wake, zmq.POLLIN)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder[ToWorker](ToWorker)

    def drain(self) -> Iterator[ToWorker]:
        """Every message that has arrived, in order; returns at once when there is none."""
        while True:
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            yield self._decoder.decode(frame)

    def send(self, message: FromWorker) -> None:
        """Hand a message to the transport."""
        self._socket.send(self._encoder.encode(message))

    def wait(self, seconds: float) -> bool:
        """Sleep until a message has arrived, at most so long; True if one has."""
        return any(source is self._socket for source, _ in self._poller.poll(int(seconds * 1000)))

    def close(self) -> None:
        """Deliver what was sent, if the other end still listens, and release the socket."""
        self._socket.close()
        self._context.term()
