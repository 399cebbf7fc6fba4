"""Data sets recognised by their fingerprint, wherever their files lie."""

from __future__ import annotations

from typing import NamedTuple


class KnownData(NamedTuple):
    """A published data set: its name and the licence it is published under."""

    name: str
    licence: str | None


UNKNOWN = KnownData("unknown", None)
_EMOJI = KnownData(
    "Emoji of Noto and Twemoji", "Apache-2.0, Google (Noto Emoji); CC BY 4.0, Twitter and other contributors (Twemoji)"
)
_KNOWN = {
    "c2df23e9d135ade7af62bf6273886728f606f79e67e066d2485f52ee9d597534": KnownData(
        "Fashion-MNIST", "MIT, copyright 2017 Zalando SE"
    ),
    # As the recipe `speech` cuts them.
    "9fe92296a466010dcaa403ada804023c32b4ccb9bb89a59efc65b7eca857a1dc": KnownData(
        "Asterisk core sounds",
        "CC BY-SA 3.0, copyright Allison Smith (en, es) and June Wallack (fr); CC BY 3.0, Carlo Flora (it) and Maxim "
        "Topal (ru)",
    ),
    "7ef2d695763c89de8d98495d4fc1e60fffb3f512d558283bf0c8c6753ed34e7a": _EMOJI,  # 32 x 32, as the study has them
    "b5a729484d27909bbf556591691c1e971cef7fddd1b97f7670510088432018c8": _EMOJI,  # 64 x 64, as the recipe has them
    "6d51704ca7ce5745bb821c7d8c35d3971fe323e6e53863c364bc185cf92b50ca": KnownData(
        "photographs of Debian's wallpapers",
        "those of their authors, whom docs/training.md names: CC0, CC BY, CC BY-SA, GNU FDL, LGPL-3, GPL-2+ and public "
        "domain",
    ),
}


def identify(fingerprint: str) -> KnownData:
    """The data set with this fingerprint (`Dataset.fingerprint`), or `UNKNOWN`."""
    return _KNOWN.get(fingerprint, UNKNOWN)
