"""The wire format of the Open Inference Protocol, with Triton's binary tensors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from pydantic import Field

from service.api.schemas import Drawing
from service.scheduler import LOWEST

Size = Annotated[int, Meta(ge=0)]


class Parameters(Drawing):
    """The request's parameters: the protocol's own, and those of `POST /v1/generate` that are no tensors here."""

    timeout: int = Field(
        0,
        ge=0,
        description="Microseconds from the server's receipt of the request to its answer: a deadline. 0 is none.",
    )
    priority: int = Field(0, ge=0, le=LOWEST, description="1 is highest; 0 is the usual one, 2.")
    binary_data_output: bool = Field(False, description="Send outputs as binary data unless they say otherwise.")
    n: int | None = Field(
        None, ge=1, description="Samples, if no input says how many; else as many as there are labels."
    )
    scale: int = Field(1, ge=1, description="Of `encoded` pictures: enlarge by a whole factor.")
    format: Literal["png", "webp", "jpeg", "wav", "flac", "ogg"] | None = Field(
        None, description="Of `encoded`: the file format; png or wav if left out."
    )


class InputParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Of an input tensor."""

    binary_data_size: Size | None = None


class InputTensor(msgspec.Struct, forbid_unknown_fields=True):
    """An input tensor. Its data are a list, nested or flat, or follow the JSON as binary data."""

    name: Literal["label", "seed", "codes"]
    shape: Annotated[list[Size], Meta(min_length=1, max_length=2)]
    datatype: Literal["BYTES", "INT32", "INT64"]
    parameters: InputParameters = msgspec.field(default_factory=InputParameters)
    data: list[Any] | None = None


class OutputParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Of an output that is asked for."""

    binary_data: bool | None = None


class AskedOutput(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is asked for."""

    name: str
    parameters: OutputParameters = msgspec.field(default_factory=OutputParameters)


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v2/models/{name}/infer`, or its JSON part."""

    inputs: list[InputTensor]
    id: Annotated[str, Meta(max_length=128)] = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    outputs: list[AskedOutput] = msgspec.field(default_factory=list)


class OutputFacts(msgspec.Struct, omit_defaults=True):
    """Of an output: its size if it follows as binary data, else how its text is to be read; what a file is."""

    binary_data_size: int | None = None
    content_type: Annotated[str | None, Meta(description="base64, for files inside JSON.")] = None
    media_type: str | None = None


class OutputTensor(msgspec.Struct):
    """An output tensor."""

    name: str
    shape: list[int]
    datatype: str
    parameters: OutputFacts | UnsetType = UNSET
    data: list[Any] | UnsetType = UNSET


class AnswerParameters(msgspec.Struct):
    """The deadline that the request was given."""

    deadline_ms: float


class InferAnswer(msgspec.Struct):
    """The answer, or its JSON part."""

    model_name: str
    model_version: str
    id: str
    parameters: AnswerParameters
    outputs: list[OutputTensor]
