"""When a request was received: as soon as its first bytes are read, before anything waits for its turn."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.clock import Clock

RECEIVED = "received"
"""Key in the scope's state: seconds on the server's clock."""


def stamping(clock: Clock) -> type[HttpToolsProtocol]:
    """Uvicorn's HTTP/1.1, with the time of receipt in the scope.

    Under load a request's task may start long after its bytes were read, and that time is the client's, too.
    """

    class Stamping(HttpToolsProtocol):
        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["state"][RECEIVED] = clock.now()

    return Stamping
