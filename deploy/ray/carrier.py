"""Carries the fleet's calls by handles of Ray Serve."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from service.fleet import ReplicaLost


class ServeCarrier:
    """A `Carrier`. `NamedReplicas`, the router of these handles, reads what is given by name here.

    Args:
        engines: the deployment `Engine`.
    """

    def __init__(self, engines: DeploymentHandle[Any]) -> None:
        self._once = engines
        self._streaming = engines.options(stream=True)

    def run(self, call: bytes, avoid: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """See `Carrier`."""
        return _stream(_apart(self._streaming.run.remote, call, avoid=list(avoid)))

    def pulse(self, replica: str) -> AsyncGenerator[bytes, None]:
        """See `Carrier`."""
        return _stream(_apart(self._streaming.pulse.remote, to=replica))

    async def tell(self, told: bytes, replica: str) -> None:
        """See `Carrier`."""
        with _losses():
            await _apart(self._once.tell.remote, told, to=replica)

    async def look(self) -> bytes:
        """See `Carrier`."""
        with _losses():
            roster: bytes = await _apart(self._once.look.remote)
        return roster


def _apart(remote: Callable[..., Any], *arguments: object, **wishes: object) -> Any:
    """Make a call as one of its own.

    Serve knows a call by the id of the request in whose context it is made. Here several calls are made for one
    request, or for one websocket, and Serve's router would take them for the same.
    """
    return Context().run(remote, *arguments, **wishes)


async def _stream(response: Any) -> AsyncGenerator[bytes, None]:
    """What comes, until it ends; whoever stops listening takes the call back."""
    try:
        with _losses():
            async for said in response:
                yield said
    finally:
        response.cancel()  # without effect if it has ended


@contextmanager
def _losses() -> Generator[None, None, None]:
    """Ray has many names for a process that is gone. What a replica itself has raised is none of them."""
    try:
        yield
    except RayTaskError:
        raise
    except (RayError, RayServeException) as error:
        raise ReplicaLost(f"{type(error).__name__}: {error}") from error
