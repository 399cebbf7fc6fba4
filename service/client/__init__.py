"""The Python client.

    from anytime import AnytimeClient

    with AnytimeClient() as client:
        answer = client.generate(label="sneaker", deadline_ms=50)

sync.py, asynchronous.py   the two clients: thin shells that do the I/O, over httpx and websockets
base.py, address.py        what both have in common
exchange.py                what is done for an answer over HTTP, as steps; conversation.py  for one over a websocket
budget.py                  what remains of the deadline, and whether another try fits into it
request.py                 what is asked; understanding.py  what is answered; samples.py  what the caller gets
errors.py                  what can go wrong
metadata.py, containers/   what saved files say of themselves
environment.py             the address and the key in the environment

Nothing here is the server's, and nothing but the shells does I/O.
"""

from service.client.asynchronous import AsyncAnytimeClient, AsyncStream
from service.client.budget import Retries
from service.client.errors import (
    Cancelled,
    ClientError,
    DeadlineInfeasible,
    InvalidRequest,
    ModelNotFound,
    NotUnderstood,
    Overloaded,
    Refused,
    SampleFileError,
    ServerFailed,
    TimedOut,
    TooManyRequests,
    TryLater,
    Unauthorised,
    Unreachable,
)
from service.client.metadata import read_sample, read_samples
from service.client.samples import Answer, Model, Output, Preview, Sample
from service.client.sync import AnytimeClient, Stream

__all__ = [
    "Answer",
    "AnytimeClient",
    "AsyncAnytimeClient",
    "AsyncStream",
    "Cancelled",
    "ClientError",
    "DeadlineInfeasible",
    "InvalidRequest",
    "Model",
    "ModelNotFound",
    "NotUnderstood",
    "Output",
    "Overloaded",
    "Preview",
    "Refused",
    "Retries",
    "Sample",
    "SampleFileError",
    "ServerFailed",
    "Stream",
    "TimedOut",
    "TooManyRequests",
    "TryLater",
    "Unauthorised",
    "Unreachable",
    "read_sample",
    "read_samples",
]
