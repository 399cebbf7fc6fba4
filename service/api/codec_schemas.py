"""What clients send to `POST /v1/decode` and `POST /v1/encode`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models.media import Fit
from service.scheduler import HIGHEST, LOWEST, NORMAL

Codes = Annotated[list[int], Field(min_length=1)]
_DEADLINE = "Milliseconds from the server's receipt of the request to the last byte of its answer."


class DecodeRequest(BaseModel):
    """Codes to be decoded, as numbers or packed: of one sample, or a list for several."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    model: str | None = Field(None, description="Name of the model; may be left out when exactly one is loaded.")
    deadline_ms: float | None = Field(None, gt=0, description=_DEADLINE)
    codes: Codes | Annotated[list[Codes], Field(min_length=1)] | None = Field(
        None, description="The codes of a sample in order of importance, as many as you like, or a list of such lists."
    )
    packed: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Instead of `codes`: as `/v1/encode` packs them, in base64."
    )
    lengths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = Field(
        None,
        description="Decode the first so many of each sample's codes, once for each number; all if left out.",
    )
    priority: int = Field(NORMAL, ge=HIGHEST, le=LOWEST, description="1 is highest.")
    scale: int = Field(1, ge=1, description="Enlarge pictures by a whole factor, nearest neighbour.")
    format: Literal["png", "webp", "jpeg", "wav", "flac", "ogg", "npy"] | None = Field(
        None, description="How each sample is encoded, as of `/v1/generate`."
    )

    @model_validator(mode="after")
    def _codes_in_one_way(self) -> DecodeRequest:
        if (self.codes is None) == (self.packed is None):
            raise PydanticCustomError("codes_or_packed", "either codes or packed must be there, and not both")
        return self

    @property
    def given_as(self) -> str:
        """The field that has the codes."""
        return "codes" if self.packed is None else "packed"

    @property
    def rows(self) -> list[list[int]]:
        """Of each sample the codes; none if they are packed."""
        codes = self.codes or []
        return cast("list[list[int]]", codes if not codes or isinstance(codes[0], list) else [codes])

    @property
    def packed_rows(self) -> list[str]:
        """Of each sample the packed codes; none if they are not."""
        return [self.packed] if isinstance(self.packed, str) else self.packed or []

    @property
    def samples(self) -> int:
        """How many samples it asks for."""
        return len(self.rows or self.packed_rows) * len(self.lengths or [1])


class EncodeOptions(BaseModel):
    """How to encode; in the query, or beside the file in a body of JSON."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    model: str | None = Field(None, description="Name of the model; may be left out when exactly one is loaded.")
    deadline_ms: float | None = Field(None, gt=0, description=_DEADLINE + " The server's longest, if left out.")
    codes: int | None = Field(None, ge=1, description="The most codes to answer with; all if left out.")
    bytes: int | None = Field(
        None, ge=1, description="The most bytes that the packed codes may take; as many codes as fit are answered."
    )
    fit: Fit = Field(
        "crop",
        description="What becomes of a file that is not of the model's size: `crop` keeps the largest part in the "
        "centre, of sound the beginning, as in training; `pad` keeps all of it and adds black or silence; `exact` "
        "refuses it.",
    )
    curve: bool = Field(False, description="Say what every number of codes would be worth.")


class EncodeRequest(EncodeOptions):
    """A file to be encoded, in JSON."""

    b64: str = Field(description="The file, in base64.", json_schema_extra={"contentEncoding": "base64"})


DECODE_EXAMPLES: list[dict[str, Any]] = [
    {"codes": [17, 4, 99, 60], "lengths": [1, 2, 4], "scale": 8},
    {"codes": [[17, 4], [17, 4, 99, 60]], "deadline_ms": 50, "format": "webp"},
]
ENCODE_EXAMPLES: list[dict[str, Any]] = [{"b64": "iVBORw0KGgo=", "bytes": 12, "curve": True}]
