"""Small files in the formats that data is distributed in, and recipes for what they hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from toy_recipe import toy_recipe

from models.config import Media
from training.data.options import DataRecipe
from training.data.progress import PreparationProgress
from training.recipe import Recipe

RATE = 8000  # samples per second
WINDOW = 64  # samples


def recipe_for(shape: tuple[int, ...], labels: tuple[str, ...] = (), **options: Any) -> Recipe:
    """The toy recipe for other media: images if the shape has three numbers, else audio."""
    media = Media(type="image", shape=shape) if len(shape) == 3 else Media(type="audio", shape=shape, sample_rate=RATE)
    data = DataRecipe.model_validate({"validation": 1, **options})
    return toy_recipe().model_copy(update={"media": media, "labels": labels, "data": data})


class Said(PreparationProgress):
    """Remembers what was said."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def write_image(path: Path, size: tuple[int, int] = (8, 8), colour: Any = (255, 0, 0), mode: str = "RGB") -> Path:
    """Write an image of one colour, in the format that its name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def noise_image(path: Path, size: tuple[int, int], seed: int) -> Path:
    """Write an image no part of which is like another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def image_bytes(colour: Any = (255, 0, 0), size: tuple[int, int] = (8, 8)) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def write_sound(path: Path, samples: NDArray[Any] | Sequence[int], rate: int = RATE, **options: Any) -> Path:
    """Write an audio file, (T,) or (T, channels), of 16 bits unless told otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(samples), rate, **options)
    return path


def ramp(length: int, start: int = 0) -> NDArray[np.int16]:
    """Samples that can be told apart."""
    return np.arange(start, start + length, dtype=np.int16)
