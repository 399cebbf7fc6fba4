"""Whether the graphs compute what the networks do: asked on the device itself, before anybody is served."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.build import Autoencoder
from models.errors import DeviceError
from models.prior.transformer import TransformerPrior
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from models.runtime.randomness import code_uniforms
from models.runtime.sampling import draw

_SAMPLES = 8
# Root mean square of what logits are off, as a share of their spread: ten times what rounding does to the shipped
# model's.
LIMITS = {torch.float32: 1e-4, torch.float16: 0.005, torch.bfloat16: 0.03}
MEDIA_LIMIT = 0.01  # the same of samples, as a share of the media's range


@torch.inference_mode()
def check_agreement(executor: GraphExecutor, autoencoder: Autoencoder, prior: TransformerPrior) -> None:
    """Draw a few samples, all slots being free, and compare with one full pass of the networks over their codes.

    Compared are the logits, within the rounding of the executor's precision; the codes, with those that the logits and
    the requests' uniform numbers make; positions; and samples half way and at the end. All slots are free afterwards.

    Raises:
        DeviceError: if anything differs.
    """
    model = OrderedModel(prior.vocabulary, executor)
    slots = range(min(_SAMPLES, model.slots))
    requests = [_request(slot, prior) for slot in slots]
    for slot, request in zip(slots, requests, strict=True):
        model.begin(slot, request)
    logits = []
    for position in range(model.total_codes):
        if position == model.total_codes // 2:
            _check_media(model, slots, autoencoder)
        model.step(slots)
        logits.append(executor.logits()[: len(slots)].clone())
    _check_media(model, slots, autoencoder)
    _check_integrity(model)
    codes = torch.tensor(model.codes(slots))
    _check_codes(torch.stack(logits, dim=1).cpu(), codes, requests)
    labels = torch.tensor([prior.null_label if request.label is None else request.label for request in requests])
    _check_logits(torch.stack(logits, dim=1), prior(codes.to(prior.device), labels.to(prior.device)), executor.dtype)
    for slot in slots:
        model.release(slot)


def _request(slot: int, prior: TransformerPrior) -> SampleRequest:
    """Of every kind: with and without a label, and with what narrows a draw, which has graphs of its own."""
    label = slot % (prior.null_label + 1)
    narrow = slot % 2
    return SampleRequest(
        seed=slot,
        sample=slot,
        label=None if label == prior.null_label else label,
        temperature=0.7 + 0.1 * slot,
        top_k=1 + prior.codebook // 2 if narrow else 0,
        top_p=0.9 if narrow else 1.0,
    )


def _check_codes(logits: Tensor, codes: Tensor, requests: list[SampleRequest]) -> None:
    """Logits (B, K, C) and the codes (B, K) that were drawn from them."""
    samples, total, codebook = logits.shape
    uniforms = np.array([code_uniforms(request.seed, request.sample, total) for request in requests])

    def each(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(total)

    drawn = draw(
        logits.flatten(0, 1),
        torch.from_numpy(uniforms).flatten(),
        each([request.temperature for request in requests]),
        each([request.top_k or codebook for request in requests]),
        each([request.top_p for request in requests]),
    ).view(samples, total)
    wrong = int((drawn != codes).sum())
    if wrong:
        raise DeviceError(f"{wrong} of {codes.numel()} codes are not those that their logits and seeds make")


def _check_logits(logits: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    error = float((logits - expected).square().mean().sqrt() / expected.std())
    if not error < LIMITS[dtype]:
        raise DeviceError(f"logits are off by {error:.2g} of their spread, and {LIMITS[dtype]:g} is the limit")


def _check_media(model: OrderedModel, slots: range, autoencoder: Autoencoder) -> None:
    decoded = model.decode(slots)
    device = next(autoencoder.parameters()).device
    padded = torch.tensor([codes + [0] * (model.total_codes - len(codes)) for codes in decoded.codes], device=device)
    lengths = torch.tensor([len(codes) for codes in decoded.codes], device=device)
    expected = autoencoder.decode_codes(padded, lengths).cpu().numpy()
    low, high = autoencoder.media.range
    error = float(np.sqrt(np.square(decoded.media - expected).mean())) / (high - low)
    if not error < MEDIA_LIMIT:
        raise DeviceError(f"samples are off by {error:.2g} of their range, and {MEDIA_LIMIT:g} is the limit")


def _check_integrity(model: OrderedModel) -> None:
    try:
        model.check_integrity()
    except AssertionError as error:
        raise DeviceError(str(error)) from error
