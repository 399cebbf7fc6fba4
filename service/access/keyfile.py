"""The file of keys: one TOML table for each, `[keys.NAME]`, with the fields of `Key`. It holds digests, not keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import tomllib
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import AnytimeError, SettingsError
from service.access.keys import Key, KeyName, digest_of, new_key

_HEADING = """\
# Keys of the anytime service; docs/operations.md says what a key may have. `anytime keys` writes all of this file anew,
# and a running server reads it again when it changes.
"""
_ALLOWED = 0o660  # of the permissions that a file had: others have no business with it


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: dict[KeyName, Key] = {}


def read_keys(path: Path) -> dict[str, Key]:
    """The keys in a file, by name.

    Raises:
        SettingsError: there is no such file, or it does not say what keys there are; says where it is wrong.
    """
    try:
        text = path.read_text("utf-8")
        if not text:  # as it is for a moment where an editor writes it
            raise SettingsError(f"{path} is empty")
        keys = _File.model_validate(tomllib.loads(text)).keys
    except FileNotFoundError as error:
        hint = f"anytime keys add NAME --file {path} makes one"
        raise SettingsError(f"there is no file of keys at {path}; {hint}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        raise SettingsError(f"{path}: {where}: {first['msg'].lower()}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise SettingsError(f"cannot read the keys in {path}: {reason}") from error
    owners: dict[str, str] = {}
    for name, key in keys.items():
        other = owners.setdefault(key.sha256, name)
        if other != name:
            raise SettingsError(f"{path}: {other} and {name} are the same key")
    return keys


def add_key(path: Path, name: str, limits: Mapping[str, object], now: datetime | None = None) -> str:
    """Make a key and put it into the file, which is made if there is none; returns the key, which is kept nowhere.

    Args:
        limits: fields of `Key`.

    Raises:
        AnytimeError: there is a key of that name, the name or a limit makes no sense, or the file cannot be written.
    """
    key = new_key()
    created = (now or datetime.now(UTC)).replace(microsecond=0)
    entry = {"sha256": digest_of(key.encode()).hex(), "created": created, **limits}
    with _changing(path) as keys:
        if name in keys:
            raise AnytimeError(f"{path} has a key named {name}; revoke it first, or choose another name")
        try:
            keys.update(_File.model_validate({"keys": {name: entry}}).keys)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = "its name" if first["loc"][-1] == "[key]" else str(first["loc"][-1])
            raise AnytimeError(f"the key {name!r} cannot be made: {field}: {first['msg'].lower()}") from error
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of the file.

    Raises:
        AnytimeError: there is no key of that name, or the file cannot be read or written.
    """
    with _changing(path, must_exist=True) as keys:
        if name not in keys:
            raise AnytimeError(f"{path} has no key named {name}; it has {', '.join(sorted(keys)) or 'none'}")
        del keys[name]


@contextlib.contextmanager
def _changing(path: Path, *, must_exist: bool = False) -> Generator[dict[str, Key], None, None]:
    """The keys in a file, to be changed; written back unless there is an exception. One at a time changes them."""
    path = path.resolve()  # where it is a link, that should stay one
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise AnytimeError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # not the file itself, in whose place another is put
        keys = read_keys(path) if must_exist or path.exists() else {}
        yield keys
        _write(path, keys)
        os.fsync(folder)
    except OSError as error:
        raise AnytimeError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        os.close(folder)


def _write(path: Path, keys: Mapping[str, Key]) -> None:
    """Put a new file into the place of the old one at once; readable by its owner, or as far as the old one was."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if path.exists():
                old = path.stat()
                os.fchmod(handle, stat.S_IMODE(old.st_mode) & _ALLOWED)
                with contextlib.suppress(PermissionError):  # only root may give files away, and only root needs to
                    os.fchown(handle, old.st_uid, old.st_gid)
            file.write(_HEADING + "".join(_table(key_name, key) for key_name, key in keys.items()))
            file.flush()
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _table(name: str, key: Key) -> str:
    fields = key.model_dump(exclude_defaults=True)
    return f"\n[keys.{name}]\n" + "".join(f"{field} = {_literal(value)}\n" for field, value in fields.items())


def _literal(value: object) -> str:
    """TOML's way to write a field of a key."""
    if isinstance(value, str):
        return f'"{value}"'  # hexadecimal digits
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else repr(value)
