"""`anytime serve`: one process for HTTP and websockets, which owns the worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn
import uvloop
from starlette.applications import Starlette

from models.errors import SettingsError
from service.api.app import create_app
from service.api.log import LOGGER
from service.api.protocol import protocol_of, socket_protocol_of
from service.api.rehearsal import Rehearsal
from service.api.server import Server, server_of_app
from service.log_lines import set_up_logging
from service.settings import Settings

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that it is they who close them
_CLOSE_SECONDS = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_logger = logging.getLogger(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what runs, and return.

    Args:
        announce: called with one line once requests are taken.

    Raises:
        AnytimeError: the address is taken, or open to others without keys, a bundle or the file of keys is bad, no
            worker could start.
    """
    set_up_logs(settings)
    # The address comes first: that it is taken should be known before a model is loaded.
    with _bind(settings) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listener, announce))


def set_up_logs(settings: Settings) -> None:
    """Have this process log as its settings say."""
    set_up_logging(settings.log_level, settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Requests leave lines that are whole already, with their own time.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    requests = logging.getLogger(LOGGER)
    requests.addHandler(handler)
    requests.propagate = False


async def _serve(settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    app = create_app(settings)
    server = server_of_app(app)
    front = _Front(front_config(app, settings), server, lambda: announce(_ready_line(listener, server)))

    def stop() -> None:
        if front.started:
            front.stop()
        elif starting is not None:
            starting.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, server.reload)
    try:
        # Run here and not by uvicorn, so that what prevents the start is raised as it is.
        async with app.router.lifespan_context(app):
            rehearsal = Rehearsal(app)
            await rehearsal.run()
            rehearsal.follow()
            await front.serve(sockets=[listener])
    except asyncio.CancelledError:
        _logger.info("stopped before it was ready")


def front_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    """How the protocol server is set up."""
    return uvicorn.Config(
        app,
        http=protocol_of(server_of_app(app)),
        ws=socket_protocol_of(server_of_app(app)),
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        ws_max_size=4 * settings.max_body_bytes,  # above the limit that is answered with a problem, so that it can be
        ws_per_message_deflate=False,  # most media are compressed already
    )


class _Front(uvicorn.Server):
    """Uvicorn, except that a signal first lets every running request be answered."""

    def __init__(self, config: uvicorn.Config, server: Server, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._server = server
        self._announce = announce
        self._stopping: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to `_serve`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and settle the heap: what lives now lives until the end, and need not be looked at again."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        try:
            self._announce()
        except OSError as error:  # a full disk, most likely: no reason not to serve
            _logger.warning("nobody could be told that requests are taken: %s", error.strerror)

    def stop(self) -> None:
        """Begin to shut down; from a second call on, no connection is waited for."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._drain())
        else:
            self.should_exit = self.force_exit = True

    async def _drain(self) -> None:
        _logger.info("shutting down: answering %d requests", self._server.pending)
        try:
            async with asyncio.timeout(self._server.settings.shutdown_timeout):
                await self._server.drain()
                await self._server.idle()
        except TimeoutError:
            _logger.warning("shut down with %d requests unanswered", self._server.pending)
        self.config.timeout_graceful_shutdown = _CLOSE_SECONDS
        self.should_exit = True


def _bind(settings: Settings) -> socket.socket:
    """A socket bound to the address, not listening yet."""
    host, port = settings.host, settings.port
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        _check_exposure(settings, str(address[0]))
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}") from error
    return listener


def _check_exposure(settings: Settings, address: str) -> None:
    """See that nobody serves the whole network by mistake.

    Raises:
        SettingsError: other machines could come in, there are no keys, and nobody said that this is meant.
    """
    if settings.keys is not None or ipaddress.ip_address(address).is_loopback:
        return
    if not settings.open:
        raise SettingsError(
            f"whoever reaches {settings.host} could use this server, since there are no keys: give --keys FILE, which "
            "`anytime keys add NAME --file FILE` makes, or say --open (ANYTIME_OPEN=true) if that is meant"
        )
    _logger.warning("open to whoever reaches %s, /metrics and /docs included: there are no keys", settings.host)


def _ready_line(listener: socket.socket, server: Server) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"ready on http://{shown}:{port} with {', '.join(server.pool.manifests)}"
