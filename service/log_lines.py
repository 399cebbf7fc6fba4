"""How lines of the log are written: JSON for machines, or text for whoever sits before a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

Fields = Mapping[str, object]

_ENCODER = msgspec.json.Encoder()
_FIRST = ("time", "method", "path", "status")  # without their names
_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/+@-")


def for_people(log_format: str) -> bool:
    """Whether the log is to be text: by the setting, or else if a person is likely to look at it."""
    return log_format == "human" or (log_format == "auto" and sys.stderr.isatty())


def json_lines(lines: Sequence[Fields]) -> str:
    """Each as a line of JSON."""
    return _ENCODER.encode_lines(lines).decode().removesuffix("\n")


def human_lines(lines: Sequence[Fields]) -> str:
    """Each as a line of text: when, what, what came of it, and the rest with names."""
    return "\n".join(map(_human, lines))


def _human(fields: Fields) -> str:
    named = [f"{name}={_shown(value)}" for name, value in fields.items() if name not in _FIRST]
    return " ".join([*(_shown(fields[name]) for name in _FIRST if name in fields), *named])


def _shown(value: object) -> str:
    """As it is if that can be told from what stands beside it, else as JSON."""
    if isinstance(value, str) and value and _PLAIN.issuperset(value):
        return str(value)
    return _ENCODER.encode(value).decode()


def set_up_logging(level: str, log_format: str) -> None:
    """Have the API process log to stderr, what the processes that it starts have to say included.

    Args:
        level: the least that is logged.
        log_format: a value of the setting of that name.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_TEXT) if for_people(log_format) else _JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class _JsonFormatter(logging.Formatter):
    """Every line but those of requests as JSON, with the same `time` as theirs."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line, with the traceback if there is one."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line).decode()
