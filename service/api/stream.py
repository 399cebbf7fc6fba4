"""The websocket `/v1/stream`: several requests on one socket, each with previews on the way to its one ending."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from service import messages
from service.api.account import STALL_SECONDS, Account
from service.api.answers import accepted_event, completed_event, error_event, preview_event
from service.api.arrival import Exchange, exchange_of
from service.api.door import choose_subprotocol
from service.api.incoming import Incoming, named_id
from service.api.intake import model_of, take
from service.api.journal import leave
from service.api.outbox import Outbox, Parcel
from service.api.problems import Cancelled, UpgradeRequired, from_validation, internal_error, invalid_field
from service.api.receipt import RECEIVED, UNSEEN
from service.api.resolve import Resolved
from service.api.schemas import SOCKET_MESSAGE, ExtendMessage, GenerateMessage, StopMessage
from service.api.server import Server, server_of
from service.errors import Overloaded, ServiceError
from service.outcomes import Outcome
from service.pool import Ticket
from service.telemetry.context import trace_context

STREAM_PATH = "/v1/stream"
_POLICY_VIOLATION = 1008
_PROMPT_S = 0.02
router = APIRouter()
_ENCODER = msgspec.json.Encoder()
_logger = logging.getLogger(__name__)


@router.websocket(STREAM_PATH)
async def stream(websocket: WebSocket) -> None:
    """Serve one websocket until either side closes it."""
    exchange = exchange_of(websocket)
    named = [(b"x-request-id", exchange.request_id.encode())]
    await websocket.accept(choose_subprotocol(websocket.scope), headers=named)
    await Session(websocket, server_of(websocket), exchange).run()


@router.get(STREAM_PATH, include_in_schema=False)
async def not_a_websocket() -> None:
    """Tell a client that came without an upgrade what is missing."""
    raise UpgradeRequired("This path speaks websocket; open it as one.")


@dataclass(eq=False)
class _Job:
    """One request in progress, from `accepted` until its ending was written."""

    id: str
    binary: bool
    resolved: Resolved
    account: Account
    ticket: Ticket
    task: asyncio.Task[None] | None = None
    ended: bool = False


class Session:
    """One websocket and the requests in progress on it."""

    def __init__(self, websocket: WebSocket, server: Server, exchange: Exchange) -> None:
        self._websocket = websocket
        self._server = server
        self._client = exchange.client
        self._request_id = exchange.request_id
        self._trace = trace_context(websocket.scope["headers"])
        self._unseen_s: float = websocket.scope["state"].get(UNSEEN, 0.0)
        self._incoming = Incoming(server.settings, server.clock.now())
        self._dismissed = False
        self._outbox = Outbox(limit=2 * server.settings.max_socket_requests)
        self._jobs: dict[str, _Job] = {}
        self._sending = False  # seen true by another task only while the reader holds up a send

    async def run(self) -> None:
        """Read and write until the socket closes; then cancel what still runs on it."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await tasks[1]  # nothing more is read: what is owed is written, and why
        except WebSocketDisconnect:
            pass  # the usual end of a session
        finally:
            await self._abandon(tasks)

    async def _abandon(self, tasks: list[asyncio.Task[None]]) -> None:
        for job in list(self._jobs.values()):
            job.account.abandoned()
            self._forget(job)
            if job.task is not None:
                tasks.append(job.task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        """Act on what comes, until the client is no longer welcome."""
        while not self._dismissed:
            await self._outbox.room()
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            now = self._server.clock.now()
            received: float = message.get(RECEIVED, now)
            arrival = received - self._unseen_s
            try:
                text = self._incoming.text_of(message, now)
            except ServiceError as error:
                self._refuse(named_id(message.get("text")), self._open_account(arrival), error)
            else:
                await self._turn(received)
                self._handle(text, arrival)

    async def _turn(self, received: float) -> None:
        """Wait as everybody else does, but only once: a socket has one place at the gate for all of its requests."""
        if self._server.clock.now() - received < _PROMPT_S:
            await self._server.gate.enter()
        else:
            await asyncio.sleep(0)

    async def _write(self) -> None:
        """Send what there is to be sent, until the last that a client is told which is no longer welcome."""
        while True:
            parcel = await self._outbox.take()
            text = _ENCODER.encode(parcel.event).decode()
            start = self._server.clock.now()
            self._sending = True
            await self._websocket.send_text(text)
            if parcel.frame is not None:
                await self._websocket.send_bytes(parcel.frame)
            self._sending = False
            if parcel.written is not None:
                parcel.written(self._server.clock.now() - start > STALL_SECONDS)
            if parcel.goodbye is not None:
                await self._websocket.close(_POLICY_VIOLATION, parcel.goodbye)
                return

    def _open_account(self, arrival: float) -> Account:
        return Account(self._server, arrival, self._client)

    def _handle(self, text: str, arrival: float) -> None:
        """Act on one message; whatever is wrong with it is answered with an error event."""
        try:
            message = SOCKET_MESSAGE.validate_json(text)
        except ValidationError as error:
            self._refuse(named_id(text), self._open_account(arrival), from_validation(error))
            return
        if isinstance(message, GenerateMessage):
            account = self._open_account(arrival)
            try:
                self._begin(message, account)
            except ServiceError as refusal:
                self._refuse(message.id, account, refusal)
            return
        # A message about a request that is not in progress crossed its ending on the wire: nothing to do.
        job = self._jobs.get(message.id)
        if job is None or job.ended:
            return
        if isinstance(message, StopMessage):
            job.ticket.stop()
        elif isinstance(message, ExtendMessage):
            self._extend(job, message.deadline_ms)
        else:
            self._cancel(job)

    def _begin(self, message: GenerateMessage, account: Account) -> None:
        """Submit a request. Raises ServiceError if it is refused."""
        server = self._server
        if message.id in self._jobs:
            raise invalid_field("id", "is the id of a request that is still in progress on this socket")
        if len(self._jobs) >= server.settings.max_socket_requests:
            raise Overloaded(f"{len(self._jobs)} requests are in progress on this socket, the most that it may have.")
        account.enter(STREAM_PATH)
        manifest = model_of(message.model, server, account)
        resolved, ticket = take(message, manifest, server, account, preview_ms=message.preview_ms)
        job = _Job(message.id, message.binary, resolved, account, ticket)
        self._jobs[message.id] = job
        self._outbox.reply(Parcel(accepted_event(message.id, resolved, account)))
        job.task = asyncio.create_task(self._follow(job))

    async def _follow(self, job: _Job) -> None:
        """Pass on what the pool says of a request, until its ending."""
        try:
            async for message in job.ticket:
                if isinstance(message, messages.Result):
                    self._complete(job, message)
                else:
                    self._preview(job, message)
        except ServiceError as error:
            self._fail(job, error)
        except Exception:
            _logger.exception("request %s on socket %s failed", job.id, self._request_id)
            self._fail(job, internal_error())

    def _preview(self, job: _Job, preview: messages.Preview) -> None:
        event = preview_event(job.id, preview, job.resolved, job.account, binary=job.binary)
        frame = preview.output.data if job.binary else None

        def written(_stalled: bool) -> None:
            job.account.previewed()

        self._outbox.preview(job.id, preview.output.index, Parcel(event, frame, written))

    def _complete(self, job: _Job, result: messages.Result) -> None:
        event = completed_event(job.id, result, job.resolved, job.account, binary=job.binary)
        frame = b"".join(output.data for output in result.outputs) if job.binary else None
        behind = self._sending

        def written(stalled: bool) -> None:
            if not behind and not stalled:
                self._server.pool.delivered(job.ticket)
            job.account.answered(result)
            self._log(job.account)
            del self._jobs[job.id]

        self._end(job, Parcel(event, frame, written))

    def _fail(self, job: _Job, error: ServiceError) -> None:
        def written(_stalled: bool) -> None:
            job.account.refused(error)
            self._log(job.account)
            del self._jobs[job.id]

        self._end(job, Parcel(error_event(job.id, error, self._request_id), None, written))

    def _end(self, job: _Job, ending: Parcel) -> None:
        job.ended = True
        self._outbox.drop_previews(job.id)
        self._outbox.reply(ending)

    def _extend(self, job: _Job, wanted_ms: float) -> None:
        """Give a request a later deadline, clamped like the first."""
        later = min(wanted_ms, job.account.longest_ms)
        if later > job.account.deadline_ms:
            job.account.deadline_ms = later
            job.ticket.extend(job.account.deadline)

    def _cancel(self, job: _Job) -> None:
        job.account.abandoned()
        self._forget(job)
        if job.task is not None:
            job.task.cancel()
        self._outbox.drop_previews(job.id)
        error = Cancelled("The request was cancelled.")
        self._outbox.reply(Parcel(error_event(job.id, error, self._request_id)))

    def _forget(self, job: _Job) -> None:
        """Stop the work on a request that nobody will be answered."""
        job.ticket.cancel()
        self._log(job.account)
        del self._jobs[job.id]

    def _refuse(self, message_id: str | None, account: Account, error: ServiceError) -> None:
        """Answer a message that starts no request; the last that is answered, if the client may not come any more.

        An id in progress is not named, since the error is not that request's ending.
        """
        account.refused(error)
        self._log(account)
        named = None if message_id in self._jobs else message_id
        self._dismissed = self._incoming.overdone or error.outcome is Outcome.UNAUTHORIZED
        goodbye = error.title if self._dismissed else None
        self._outbox.reply(Parcel(error_event(named, error, self._request_id), goodbye=goodbye))

    def _log(self, account: Account) -> None:
        key, ms = self._client.name if self._client else None, account.elapsed_ms()
        leave(self._server, STREAM_PATH, account, self._trace, ms, request_id=self._request_id, key=key)
