"""The start of the encoder process, and its loop."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from models.bundle.reader import verify_bundle
from models.errors import AnytimeError
from models.media import Unreadable
from models.runtime.coder import Coder
from service.clock import MonotonicClock
from service.encode import MEDIA_TYPES, encode, formats_of
from service.encoder.encoder import Encoder
from service.encoder.files import read_sample
from service.encoder.shelf import Loaded, Shelf
from service.messages import EncoderReady, Offer, StartFailed, ToEncoder
from service.worker.channel import Channel

_REST_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Load the autoencoders, warm up, say `EncoderReady`, serve. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    # A terminal sends it to every process of its group, and the parent will end this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel[ToEncoder](socket.socket(fileno=options.connection), ToEncoder)
    shelf = Shelf(_load)
    try:
        shelf.begin(options.bundle)
    except AnytimeError as error:
        channel.send(StartFailed(str(error)))
        channel.close()
        return 1
    encoder = Encoder(shelf, MonotonicClock())
    channel.send(EncoderReady())
    while not channel.closed:
        for message in channel.drain():
            if isinstance(message, Offer):
                shelf.offer({identity: Path(folder) for identity, folder in message.bundles.items()})
            else:
                channel.send(encoder.answer(message))
        channel.wait(_REST_S)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="service.encoder", description="The encoder; started by the API process.")
    parser.add_argument(
        "--connection", required=True, type=int, help="file descriptor of the socket to the API process"
    )
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="a bundle's folder; repeatable")
    parser.add_argument("--log-level", default="info")
    return parser.parse_args(arguments)


def _load(path: Path) -> Loaded:
    """A model, warmed up: the first of everything takes longest. Raises BundleError."""
    manifest = verify_bundle(path)
    coder, media = Coder.load(path, manifest), manifest.media
    silence = np.zeros(media.shape, np.float32)
    for name in formats_of(media):
        with suppress(ValueError, Unreadable):  # not every shape has every format
            read_sample(encode(media, silence, name), MEDIA_TYPES[name], media, "exact", silence.size)
    list(coder.squared_errors(silence, coder.encode(silence), [1, manifest.codes]))
    return Loaded(manifest, coder)
