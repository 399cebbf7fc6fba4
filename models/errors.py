"""Errors whose message is safe, and written, to be shown to a person.

AnytimeError
├── BundleError      a bundle that cannot be read, verified or written
├── DeviceError      a device that was asked for and is not there
├── DataError        a data set that is missing, unreadable or of the wrong shape   (raised by training)
├── RecipeError      a recipe that does not parse or does not make sense            (raised by training)
└── SettingsError    a service setting that makes no sense                          (raised by service)

The command line prints the message of an `AnytimeError` as one sentence and exits with status 1; anything else is a bug
and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class AnytimeError(Exception):
    """Base of every error that explains itself to the user."""


class BundleError(AnytimeError):
    """A bundle that cannot be read, verified or written.

    Args:
        path: the file or folder at fault.
        problem: what is wrong with it, without the path.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class DeviceError(AnytimeError):
    """A device that was asked for and is not there."""


class DataError(AnytimeError):
    """A data set that is missing, unreadable or of the wrong shape."""


class RecipeError(AnytimeError):
    """A training recipe that does not parse or does not make sense."""


class SettingsError(AnytimeError):
    """A service setting that makes no sense."""
