"""Bodies of the Open Inference Protocol, and workers that answer them."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
from fake_pool import PNG, FakePool, FakeTicket, audio_manifest, manifest, output

from service import messages

PATH = "/v2/models/tiny/infer"
LENGTH = "inference-header-content-length"


def npy(value: float, shape: tuple[int, ...] = (1, 4, 4)) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.full(shape, value, np.float32))
    return buffer.getvalue()


def answer(ticket: FakeTicket, codes: int = 3, total_ms: float = 5.0) -> None:
    """Numbers if those are asked for, else files."""
    encoding, sampling = ticket.generation.encoding, ticket.generation.sampling
    outputs = [
        output(i, codes, "deadline", npy(sampling.index + i) if encoding.format == "npy" else PNG)
        for i in range(ticket.generation.n)
    ]
    ticket.tell(messages.Result(ticket.id, outputs, messages.Timing(0.5, 3.0, 1.0, 0.25, total_ms)))


def tensor(name: str, data: list[Any], datatype: str = "INT64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def ask(*inputs: dict[str, Any], outputs: tuple[str, ...] = (), **parameters: object) -> dict[str, Any]:
    return {"inputs": list(inputs), "outputs": [{"name": name} for name in outputs], "parameters": parameters}


def packed(*inputs: tuple[dict[str, Any], bytes], **extra: object) -> tuple[bytes, dict[str, str]]:
    """A body with binary tensors, and its headers."""
    tensors = [{**head, "parameters": {"binary_data_size": len(data)}} for head, data in inputs]
    head = json.dumps({"inputs": tensors, **extra}).encode()
    return head + b"".join(data for _, data in inputs), {LENGTH: str(len(head))}


def text(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


LABEL = {"name": "label", "shape": [1], "datatype": "BYTES"}
SEED = {"name": "seed", "shape": [1], "datatype": "INT64"}


def inference_pool() -> FakePool:
    """With a model of pictures and one of clips, answered at once."""
    pool = FakePool(manifest("tiny"), audio_manifest("clips"))
    pool.on_submit = answer
    return pool
