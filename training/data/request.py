"""What a source is asked for: samples of which kind, prepared how, kept where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from models.config import Media
from models.errors import DataError
from training.data.options import DataRecipe
from training.data.progress import QUIET, PreparationProgress

# Options that only some kinds of data understand.
SPECIAL = ("crops", "stride", "speaker", "pad", "attribute", "label")


def default_cache() -> Path:
    """Where prepared data is kept: on Linux `$XDG_CACHE_HOME/anytime/data`, or `~/.cache/anytime/data`."""
    from platformdirs import user_cache_path

    return user_cache_path("anytime") / "data"


@dataclass(frozen=True, slots=True)
class Request:
    """One request for data.

    Attributes:
        media: what a sample is to be.
        options: the recipe's `[data]`.
        cache: folder of the prepared data.
        progress: told what is going on.
    """

    media: Media
    options: DataRecipe
    cache: Path = field(default_factory=default_cache)
    progress: PreparationProgress = QUIET

    def expect(self, kind: str, *known: str, media: str) -> None:
        """Refuse what a kind of data cannot give, so that no option is silently ignored.

        Args:
            kind: of the data, for the message.
            known: the special options it understands.
            media: what it holds, `image` or `audio`.

        Raises:
            DataError: naming the option, or the media.
        """
        if media != self.media.type:
            raise DataError(f"the data ({kind}) is of type {media}, but the recipe's media.type is {self.media.type}")
        for option in SPECIAL:
            value = getattr(self.options, option)
            if option not in known and value != DataRecipe.model_fields[option].default:
                raise DataError(f"data.{option} = {value!r} means nothing to data of this kind ({kind}); remove it")
