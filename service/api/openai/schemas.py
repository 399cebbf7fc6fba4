"""The body of `POST /v1/images/generations`, and the request for samples that it stands for."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from models.bundle.reader import AnyManifest
from service.api.openai.prompts import label_of
from service.api.problems import invalid_field
from service.api.schemas import GenerateRequest, SampleRequest
from service.settings import Settings

MOST_PARTIAL_IMAGES = 3
_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")


class ImagesRequest(SampleRequest):
    """OpenAI's fields as far as they mean something here, and this service's own beside them."""

    prompt: str = Field(max_length=32_000, description="Names one of the model's classes, alone or among other words.")
    n: int | None = Field(None, ge=1, description="Images; 1 if left out, and no more with `stream`.")
    size: str | None = Field(
        None,
        pattern=rf"^(auto|{_SIZE.pattern})$",
        description="`auto`, or a whole multiple of the model's picture, as 224x224: enlarged by repeating pixels.",
    )
    output_format: Literal["png", "webp", "jpeg"] | None = Field(None, description="png if left out.")
    response_format: Literal["b64_json", "url"] | None = Field(
        None, description="b64_json: images are in the answer itself. `url` is refused."
    )
    stream: bool | None = Field(None, description="Answer with server-sent events.")
    partial_images: int | None = Field(
        None,
        ge=0,
        le=MOST_PARTIAL_IMAGES,
        description="With `stream`: at most so many images on the way, spread evenly over the time until the deadline.",
    )
    background: Literal["auto", "opaque"] | None = Field(None, description="Always opaque.")
    quality: str | None = Field(None, description="Without effect: quality is what the deadline allows.")
    style: str | None = Field(None, description="Without effect.")
    moderation: str | None = Field(None, description="Without effect.")
    user: str | None = Field(None, description="Without effect.")
    safety_identifier: str | None = Field(None, description="Without effect.")

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream of events."""
        return bool(self.stream)


def generation_of(asked: ImagesRequest, manifest: AnyManifest, settings: Settings) -> GenerateRequest:
    """The same request, as every other way of asking makes it.

    Raises:
        InvalidField: what is asked for is nothing that this model or this server does; names OpenAI's own field.
    """
    if manifest.media.type != "image":
        raise invalid_field("model", f"must be one that makes images; {manifest.name} makes {manifest.media.type}")
    if asked.response_format == "url":
        raise invalid_field(
            "response_format", "must be b64_json: images are in the answer, and none is kept to be fetched later"
        )
    if asked.streamed and asked.n not in (None, 1):
        raise invalid_field("n", "must be 1 with stream, whose events do not say which image they show")
    if asked.partial_images and not asked.streamed:
        raise invalid_field("partial_images", "must be 0 or left out without stream")
    return GenerateRequest(
        **asked.drawing(),
        model=manifest.name,
        seed=asked.seed,
        codes=asked.codes,
        n=asked.n or 1,
        label=label_of(asked.prompt, manifest.labels),
        scale=_scale(asked.size or "auto", manifest, settings),
        format=asked.output_format or "png",
    )


def _scale(size: str, manifest: AnyManifest, settings: Settings) -> int:
    """By how much pictures are enlarged to be of this size, which has been found well formed."""
    _, height, width = manifest.media.shape
    if size == "auto":
        return 1
    match = _SIZE.fullmatch(size)
    wanted_width, wanted_height = (int(side) for side in match.groups()) if match else (0, 0)
    scale = wanted_width // width
    if not 1 <= scale <= settings.max_scale or (wanted_width, wanted_height) != (scale * width, scale * height):
        most = f"{settings.max_scale * width}x{settings.max_scale * height}"
        raise invalid_field("size", f"must be auto or a whole multiple of this model's {width}x{height}, up to {most}")
    return scale
