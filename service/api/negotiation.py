"""Content negotiation (RFC 9110, section 12.5.1): JSON, the bare sample, or events on the way to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from models.config import Media
from service.api.problems import NotAcceptable, invalid_field
from service.api.receipt import Headers
from service.encode import MEDIA_TYPES, formats_of

JSON = "application/json"
EVENTS = "text/event-stream"
_OTHER_NAMES = {"audio/x-wav": "audio/wav", "audio/vnd.wave": "audio/wav"}  # by habit, and by the registry
_RANGE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header."""

    type: str
    subtype: str
    weight: float

    def specificity(self, media_type: str) -> int:
        """2 for an exact match, 1 for `type/*`, 0 for `*/*`, -1 for no match."""
        main, sub = media_type.split("/")
        if (self.type, self.subtype) == (main, sub):
            return 2
        if (self.type, self.subtype) == (main, "*"):
            return 1
        return 0 if (self.type, self.subtype) == ("*", "*") else -1


def accepted(headers: Headers) -> str | None:
    """All Accept headers as one, or None if there is none."""
    values = [value.decode("latin-1") for name, value in headers if name == b"accept"]
    return ",".join(values) if values else None


def usual_name(media_type: str) -> str:
    """A media type, in small letters, by the name that it has in this service."""
    return _OTHER_NAMES.get(media_type, media_type)


def parse_accept(header: str) -> list[MediaRange]:
    """The media ranges of an Accept header; elements that are not of its grammar are left out."""
    ranges = []
    for element in header.split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        match = _RANGE.fullmatch(name)
        weights = [
            value.strip() for key, _, value in (p.partition("=") for p in parameters) if key.strip().lower() == "q"
        ]
        if match and all(_WEIGHT.fullmatch(weight) for weight in weights):
            main, sub = usual_name(name.lower()).split("/")
            ranges.append(MediaRange(main, sub, float(weights[0]) if weights else 1.0))
    return ranges


@lru_cache(maxsize=64)  # most requests are alike, and to go through an Accept header takes a while
def choose(
    accept: str | None, media: Media, requested_format: str | None, samples: int, *, events: bool = False
) -> str | None:
    """The format of a bare answer, one of the media's own; EVENTS for a stream of events; or None for JSON.

    The highest weight wins, then the range that names the type most closely, then JSON, then events, then the format
    that the body asked for, then the usual one of the media. Several samples fit only into JSON and events.

    Args:
        events: whether a stream of them can be sent.

    Raises:
        NotAcceptable: nothing that samples of this media can be sent as is accepted.
        InvalidField: only bare media are accepted, and the request is for several samples.
    """
    if accept is None or not accept.strip():
        return None
    ranges = parse_accept(accept)
    formats = sorted(formats_of(media), key=lambda name: name != requested_format)
    best: tuple[float, int, str | None] = (0.0, -1, None)
    media_accepted = False
    streams = (EVENTS,) if events else ()
    for choice in (None, *streams, *formats):
        weight, specificity = _quality(ranges, MEDIA_TYPES.get(choice, choice) if choice else JSON)
        if choice in MEDIA_TYPES and weight > 0:
            media_accepted = True
            if samples > 1:
                continue
        if (weight, specificity) > best[:2] and weight > 0:
            best = (weight, specificity, choice)
    if best[0] > 0:
        return best[2]
    if media_accepted:
        raise invalid_field("n", "must be 1 for an answer that is the bare sample; accept application/json for more")
    offered = ", ".join((*(MEDIA_TYPES[name] for name in formats_of(media)), *streams))
    raise NotAcceptable(f"Accept leaves nothing of {JSON}, {offered}, which samples of this model can be sent as.")


def _quality(ranges: list[MediaRange], media_type: str) -> tuple[float, int]:
    """The weight that the most specific matching range gives to a media type, and how specific it is."""
    matches = [(each.specificity(media_type), each.weight) for each in ranges]
    specificity, weight = max(matches, default=(-1, 0.0))
    return (weight, specificity) if specificity >= 0 else (0.0, -1)
