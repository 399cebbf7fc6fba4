"""How a request to generate is taken, however its client wrote it: counted, checked, and given to the pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request

from models.bundle.reader import AnyManifest
from service.api.account import Account
from service.api.arrival import exchange_of
from service.api.codec_schemas import DecodeRequest
from service.api.receipt import Headers
from service.api.resolve import Resolved, find_model, resolve
from service.api.resolve_codes import resolve_codes
from service.api.schemas import GenerateRequest
from service.api.server import Server, server_of
from service.errors import ServiceError
from service.pool import Ticket


class Taken(NamedTuple):
    """A request that will be answered: what it asks for, and what tells how it goes."""

    resolved: Resolved
    ticket: Ticket


async def open_account(request: Request) -> Account:
    """The account of an HTTP request that asks for samples; opened, when its turn has come, if it has none yet."""
    exchange = exchange_of(request)
    if exchange.account is None:
        server = server_of(request)
        exchange.account = Account(server, exchange.arrival, exchange.client)
        await server.gate.enter()
    return exchange.account


def model_of(name: str | None, server: Server, account: Account, version: str | None = None) -> AnyManifest:
    """The model that a request names, noted in its account. Raises like `find_model`."""
    models = server.pool.manifests
    manifest = find_model(name, models, version)
    account.model = models.label(manifest.identity)
    account.facts["version"] = manifest.version
    return manifest


def take(
    body: GenerateRequest,
    manifest: AnyManifest,
    server: Server,
    account: Account,
    *,
    headers: Headers = (),
    file_format: str | None = None,
    preview_ms: float | None = None,
) -> Taken:
    """Fix a request's deadline, check every field, and submit it.

    Args:
        headers: of HTTP, which may name an earlier deadline.
        file_format: instead of the body's, if content negotiation chose one.
        preview_ms: a preview at most this often, None for none.

    Raises:
        ServiceError: it is refused; the account is not told.
    """
    account.deadline_ms = account.given_ms(body.deadline_ms, headers)
    resolved = resolve(body, manifest, server.settings, file_format=file_format, preview_ms=preview_ms)
    return _submit(resolved, server, account)


def take_codes(
    body: DecodeRequest,
    manifest: AnyManifest,
    server: Server,
    account: Account,
    *,
    headers: Headers,
    file_format: str | None,
) -> Taken:
    """The same for codes that are to be decoded: samples with nothing left to draw."""
    account.deadline_ms = account.given_ms(body.deadline_ms, headers)
    return _submit(resolve_codes(body, manifest, server.settings, file_format=file_format), server, account)


def _submit(resolved: Resolved, server: Server, account: Account) -> Taken:
    ticket = server.pool.submit(resolved.generation, account.deadline)
    account.accepted(ticket)
    return Taken(resolved, ticket)


def take_all(
    bodies: Sequence[GenerateRequest], manifest: AnyManifest, server: Server, account: Account, headers: Headers
) -> list[Taken]:
    """Take the parts of one request, which have one deadline; all of them or none.

    Raises:
        ServiceError: one is refused; the account is not told.
    """
    account.deadline_ms = account.given_ms(bodies[0].deadline_ms, headers)
    samples = sum(body.n for body in bodies)
    parts = [resolve(body, manifest, server.settings, samples=samples) for body in bodies]
    taken: list[Taken] = []
    for resolved in parts:
        try:
            ticket = server.pool.submit(resolved.generation, account.deadline)
        except ServiceError:
            for each in taken:
                each.ticket.cancel()
            raise
        taken.append(Taken(resolved, ticket))
    account.accepted(*(each.ticket for each in taken))
    return taken
