"""Which of two versions is newer."""

from __future__ import annotations

import re
from typing import TypeAlias

VersionKey: TypeAlias = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...], str]

_PART = re.compile(r"\d+|[a-z]+")
_RELEASE = re.compile(r"v?(\d+(?:[._-]\d+)*)")
_SPELLINGS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_LATER = frozenset({"post", "rev", "r", "patch", "p"})
# What may follow a release, from the oldest to the newest.
_DEV, _BEFORE, _NOTHING, _AFTER, _NUMBER = range(5)


def version_key(version: str) -> VersionKey:
    """Sorts versions from the oldest to the newest; total, and equal only for the same text.

    The numbers in front are compared one by one, so that 1.10 is newer than 1.9, and zeros at their end do not count. A
    word behind them makes a version older than it is without (1.0-rc1, 1.0-small; 1.0.dev1 is older than any), as
    with semantic versioning and PEP 440, except post, rev, r, patch and p, which make it newer. Words are compared by
    the alphabet, alpha, beta and pre by their usual short forms; a version without a number in front is older than any
    with one.
    """
    found = _RELEASE.match(version)
    rest = (*map(_ranked, _PART.findall(version[found.end() :] if found else version)), (_NOTHING, 0, ""))
    if not found:
        return (), rest, version
    numbers = found[1].replace("-", ".").replace("_", ".").split(".")
    while len(numbers) > 1 and not int(numbers[-1]):
        numbers.pop()
    return tuple(map(int, numbers)), rest, version


def _ranked(part: str) -> tuple[int, int, str]:
    if part.isdecimal():
        return _NUMBER, int(part), ""
    if part == "dev":
        return _DEV, 0, ""
    if part in _LATER:
        return _AFTER, 0, ""
    return _BEFORE, 0, _SPELLINGS.get(part, part)
