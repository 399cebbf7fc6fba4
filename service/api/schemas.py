"""What clients send: the body of `POST /v1/generate` and the messages of `/v1/stream`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from service.scheduler import HIGHEST, LOWEST, NORMAL

LARGEST_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""
LARGEST_INDEX = 2**31 - 1

_EXAMPLES = [
    {"deadline_ms": 50, "seed": 7, "label": "sneaker", "scale": 8},
    {"deadline_ms": 200, "n": 3, "seed": 8, "label": "bag", "codes": [17, 4]},
    {"deadline_ms": 200, "n": 4, "temperature": 0.9, "top_k": 40, "format": "webp"},
    {"model": "spoken-digits", "deadline_ms": 200, "label": "seven", "format": "flac"},
]


class Drawing(BaseModel):
    """What every way of asking for samples may say of how they are drawn, and when they are due.

    Numbers are numbers: nothing is converted, and unknown fields are errors.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    deadline_ms: float | None = Field(
        None,
        gt=0,
        description="Milliseconds from the server's receipt of the request to the last byte of its answer. Longer than "
        "the server's maximum is clamped to that; the answer says which deadline it was given.",
    )
    index: int = Field(
        0, ge=0, le=LARGEST_INDEX, description="Of the first sample: to go on from one of several, its own."
    )
    temperature: float | None = Field(
        None, ge=0, le=10, description="0 takes the most likely code each time. The model's own default if left out."
    )
    top_k: int | None = Field(None, ge=0, description="Draw among the k most likely codes; 0 keeps all.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Draw among the fewest codes whose probability reaches this; 1 keeps all."
    )
    min_codes: int = Field(1, ge=1, description="Fewest codes worth sending; a deadline too short for them is a 504.")
    max_codes: int | None = Field(None, ge=1, description="Stop after this many codes, however much time is left.")
    target_codes: int | None = Field(
        None, ge=1, description="Enough codes: where time is scarce, those beyond count only a quarter of their worth."
    )
    priority: int = Field(
        NORMAL, ge=HIGHEST, le=LOWEST, description="1 is highest. Where time is scarce, each counts double the next."
    )

    def drawing(self) -> dict[str, Any]:
        """These fields alone, of whatever request has them."""
        return {name: getattr(self, name) for name in Drawing.model_fields}


class SampleRequest(Drawing):
    """What every JSON body that asks for samples has."""

    model: str | None = Field(
        None,
        description="Name of the model, for its default version; `name@version`; or an alias. May be left out when "
        "all that is loaded has one name.",
    )
    seed: int | None = Field(
        None, ge=0, le=LARGEST_SEED, description="Decides the codes; drawn at random and returned if left out."
    )
    codes: list[int] = Field(
        default_factory=list,  # a default of [] would be copied for every request, and not quickly
        json_schema_extra={"default": []},
        description="The first codes of every sample, given: with an answer's own codes, seed, index and parameters it "
        "is gone on with where it stopped; with another seed, what follows is a variation.",
    )


class GenerateRequest(SampleRequest):
    """One generation request, which every other way of asking for samples is turned into."""

    n: int = Field(1, ge=1, description="Samples; each has an index, from `index` on, and is keyed by (seed, index).")
    label: str | int | None = Field(
        None, description="Class to draw, by name (in any case) or index; left out or null for any."
    )
    scale: int = Field(
        1, ge=1, description="Enlarge pictures by a whole factor, nearest neighbour; npy and audio are never enlarged."
    )
    format: Literal["png", "webp", "jpeg", "wav", "flac", "ogg", "npy"] | None = Field(
        None,
        description="How each sample is encoded. Images: png (if left out), webp, jpeg, npy. Audio: wav (if left out), "
        "flac, ogg, npy.",
    )
    preview_ms: float | None = Field(
        None,
        gt=0,
        description="Where the answer is a stream of events, send a preview at most this often; none if left out. "
        "Without effect on an answer that comes at once.",
    )


_RequestId = Annotated[str, Field(min_length=1, max_length=128)]


class GenerateMessage(GenerateRequest):
    """A generation request over a websocket."""

    type: Literal["generate"]
    id: _RequestId = Field(description="The client's own name for the request, unique among those in progress.")
    binary: bool = Field(False, description="Send media as a binary frame after the event instead of inside it.")


class ExtendMessage(BaseModel):
    """Give a request a later deadline."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    type: Literal["extend"]
    id: _RequestId
    deadline_ms: float = Field(
        gt=0, description="Milliseconds from the receipt of the request. One that is not later changes nothing."
    )


class StopMessage(BaseModel):
    """Answer a request now, with what it has."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["stop"]
    id: _RequestId


class CancelMessage(BaseModel):
    """Forget a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["cancel"]
    id: _RequestId


SocketMessage = GenerateMessage | ExtendMessage | StopMessage | CancelMessage
SOCKET_MESSAGE: TypeAdapter[SocketMessage] = TypeAdapter(Annotated[SocketMessage, Field(discriminator="type")])


def request_schema() -> dict[str, object]:
    """JSON Schema of the request body, self-contained, with examples."""
    return {**GenerateRequest.model_json_schema(), "examples": _EXAMPLES}
