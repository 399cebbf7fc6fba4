"""What a client gets: answers, their samples, previews on the way, and the models there are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from service.client.errors import SampleFileError
from service.client.formats import suffixes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Code = Annotated[int, Meta(ge=0)]


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All it takes to go on with a sample, and what is known of it; this is what saved files carry.

    `temperature`, `top_k` and `top_p` are those of the request, absent where they were left to the model.
    """

    model: str
    version: Annotated[str | None, Meta(description="Of the model, if it is known: codes mean nothing to another.")] = (
        None
    )
    seed: Annotated[int, Meta(ge=0)]
    index: Annotated[int, Meta(ge=0)] = 0
    label: str | None = None
    codes: Annotated[tuple[Code, ...], Meta(description="In order of importance.")]
    codes_total: Annotated[int, Meta(ge=1, description="How many codes a complete sample has.")]
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    scale: Annotated[int, Meta(ge=1, description="How often the pixels of a picture are repeated.")] = 1
    expected_quality: Annotated[float, Meta(ge=0, le=1)]
    stop_reason: Annotated[
        str | None, Meta(description="complete, deadline, shed, client_stop or drain; none of a preview.")
    ] = None

    @property
    def complete(self) -> bool:
        """Whether it has all the codes there are."""
        return len(self.codes) == self.codes_total


class Output(Sample, frozen=True, kw_only=True):
    """One sample with its picture or clip: `data` is a whole file of type `media_type`."""

    media_type: str
    data: bytes

    def __repr__(self) -> str:
        label = f", {self.label}" if self.label is not None else ""
        codes = f"{len(self.codes)} of {self.codes_total} codes"
        return f"<Output of {self.model}{label}: {codes}, {self.media_type} of {len(self.data)} bytes>"

    def facts(self) -> Sample:
        """The sample without its data."""
        return Sample(**{name: getattr(self, name) for name in Sample.__struct_fields__})

    def image(self) -> Image.Image:
        """The picture. Raises OSError (PIL.UnidentifiedImageError) if this is none."""
        from PIL import Image

        picture = Image.open(io.BytesIO(self.data))
        picture.load()
        return picture

    def array(self) -> NDArray[np.float32]:
        """The decoder's own numbers, channels first, of a sample asked for as `npy`. Raises ValueError of others."""
        import numpy as np

        numbers: NDArray[np.float32] = np.load(io.BytesIO(self.data), allow_pickle=False)
        return numbers

    def save(self, path: str | Path) -> Path:
        """Write the file, with the sample's facts in it, so that it can be gone on with; returns the path.

        Raises:
            SampleFileError: the name has the suffix of another format.
            OSError: the file cannot be written.
        """
        from service.client.metadata import embed

        path, suffixes = Path(path), suffixes_of(self.media_type)
        if path.suffix.lower() not in suffixes:
            raise SampleFileError(
                f"{path}: the sample is {self.media_type}, whose files end in {' or '.join(suffixes)}; "
                "another format has to be asked for: format=…"
            )
        path.write_bytes(embed(self.data, (self.facts(),)))
        return path


class Timing(msgspec.Struct, frozen=True):
    """Where the server's time went, in milliseconds."""

    queue_ms: float
    sample_ms: float
    decode_ms: float
    encode_ms: float
    total_ms: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer.

    Attributes:
        deadline_ms: what the server was given, after it had clamped it.
        client_ms: milliseconds from the call to the last byte of the answer, tries before this one included.
    """

    id: str
    model: str
    outputs: tuple[Output, ...]
    deadline_ms: float
    timing: Timing
    client_ms: float

    @property
    def output(self) -> Output:
        """The only sample, or the first of several."""
        return self.outputs[0]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A sample as it stands; `elapsed_ms` by the server's clock, from its receipt of the request."""

    output: Output
    elapsed_ms: float


class Accepted(msgspec.Struct, frozen=True):
    """What is known of a stream as soon as the server has taken it."""

    model: str
    n: int
    codes_total: int
    seed: int
    label: str | None
    deadline_ms: float
    version: str | None = None


class MediaFacts(msgspec.Struct, frozen=True):
    """What a model's samples are: `type` is image or audio; the first of the formats is the usual one."""

    type: str
    shape: tuple[int, ...]
    formats: tuple[str, ...]
    sample_rate: int | None = None
    duration_seconds: float | None = None


class Model(msgspec.Struct, frozen=True):
    """A loaded model, as `GET /v1/models` describes it.

    Attributes:
        quality_curve: `codes` + 1 numbers.
        default: whether its bare name means this version.
        aliases: other names for exactly this.
    """

    name: str
    version: str
    description: str
    kind: str
    media: MediaFacts
    codes: int
    labels: tuple[str, ...]
    sampling: dict[str, Any]
    quality_curve: tuple[float, ...]
    minimum_deadline_ms: float | None
    default: bool = True
    aliases: tuple[str, ...] = ()
