"""What the executor for CUDA devices is made of: records, batches, decoders, and the choice of half precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from factories import RESIDUAL, tiny_audio_manifest, tiny_manifest, tiny_networks
from graph_models import CPU, NETWORKS
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_graphs import NoWaiting
from torch import Tensor

from models.bundle.networks import load_networks
from models.config import AutoencoderConfig
from models.prior import TransformerPrior
from models.runtime.executor import Draw
from models.runtime.graphs.batch import Batch
from models.runtime.graphs.decoder import static_decoder
from models.runtime.graphs.launcher import Eager, steady_arithmetic
from models.runtime.graphs.ranges import decoder_dtype, prior_dtype
from models.runtime.graphs.records import Records
from models.runtime.randomness import code_uniforms
from service.settings import PRETRAINED


@given(
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 10),
    st.integers(1, 8),
    st.floats(1e-9, 1),
    st.lists(st.integers(0, 7), max_size=6),
    st.integers(0, 4),
)
def test_a_record_holds_bit_for_bit_what_a_request_says(
    seed: int, sample: int, temperature: float, top_k: int, top_p: float, codes: list[int], slot: int
) -> None:
    """Uniform numbers included: whatever position a row is at, the number there is the one that decides its code."""
    vocabulary = NETWORKS.prior.vocabulary
    records = Records(5, vocabulary, CPU)
    uniforms = code_uniforms(seed, sample, 6)
    tokens = [vocabulary.start_token(1), *codes]
    records.table[slot].copy_(torch.from_numpy(records.row(tokens, Draw(temperature, top_k, top_p, uniforms))))
    assert records.positions[slot] == len(codes)
    assert records.codes[slot].tolist()[: len(codes)] == codes
    row = torch.tensor([slot])
    assert [each.item() for each in records.heads(row)] == [len(codes), top_k, temperature, top_p]
    for position, uniform in enumerate(uniforms):
        places = records.places(row, torch.tensor([position]))
        assert records.uniforms(places).numpy().tobytes() == uniform.tobytes()
        if position <= len(codes):
            assert records.tokens(places).tolist() == [tokens[position]]
    before = records.table.clone()
    records.put(records.places(row, torch.tensor([5])), torch.tensor([7]))
    assert records.codes[slot, 5] == 7
    records.codes[slot, 5] = before[slot, 5 + 5]
    assert torch.equal(records.table, before)


def test_a_batch_is_told_only_what_it_does_not_know() -> None:
    class Counting(Eager):
        copies = 0

        def staged(self, numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
            self.copies += 1
            return super().staged(numbers)

    launcher = Counting(CPU)
    batch = Batch(4, 9, launcher)
    assert (batch.rows.tolist(), batch.numbers.tolist()) == ([9] * 4, [0] * 4)
    batch.fill([2, 0], 1)
    batch.fill([2, 0], 1)
    assert (batch.rows.tolist(), batch.numbers.tolist(), launcher.copies) == ([2, 0, 9, 9], [1, 1, 0, 0], 1)
    batch.fill([2, 0], [5, 6], own_rows=True)
    assert (batch.rows.tolist(), batch.numbers.tolist(), launcher.copies) == ([0, 9, 2, 9], [6, 0, 5, 0], 2)


SPATIAL = AutoencoderConfig(
    codes=6, codebook=8, filters=(4, 3), strides=(2, 1), widths=(8,), quantisation="spatial", depth=5, missing="learned"
)
UPSAMPLING = AutoencoderConfig(codes=6, codebook=8, filters=(5, 3), strides=(2, 1), widths=(8,), decoder="upsample")


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    "manifest",
    [
        tiny_manifest(),
        tiny_manifest(autoencoder=RESIDUAL),
        tiny_manifest(autoencoder=SPATIAL, shape=(1, 4, 6)),
        tiny_manifest(autoencoder=UPSAMPLING),
        tiny_audio_manifest(),
    ],
    ids=["pictures", "residual", "spatial", "upsampling", "audio"],
)
def test_samples_are_the_autoencoders_at_every_length(manifest: object, exact: bool) -> None:
    assert isinstance(manifest, type(NETWORKS.manifest))
    networks = tiny_networks(manifest)
    if "missing" in dict(networks.autoencoder.named_parameters()):
        torch.nn.init.normal_(networks.autoencoder.get_parameter("missing"))
    before = {name: tensor.clone() for name, tensor in networks.autoencoder.state_dict().items()}
    decode = static_decoder(networks.autoencoder, CPU, exact=exact)
    codes, lengths = torch.randint(8, (7, 6)), torch.arange(7)
    expected = networks.autoencoder.decode_codes(codes, lengths)
    with torch.inference_mode(), NoWaiting():
        decoded = decode(codes, lengths)
    assert decoded.dtype == torch.float32
    assert decoded.is_contiguous()
    assert expected.std() > 0.001
    assert torch.allclose(decoded, expected, atol=1e-5 if exact else 5e-3)
    # The networks are as they were, and a copy is what computes.
    assert all(torch.equal(tensor, before[name]) for name, tensor in networks.autoencoder.state_dict().items())
    assert all(parameter.dtype == torch.float32 for parameter in networks.autoencoder.parameters())


def test_half_precision_is_the_kind_that_can_hold_what_is_computed() -> None:
    shipped = load_networks(PRETRAINED / "fashion-mnist")
    assert isinstance(shipped.prior, TransformerPrior)
    assert prior_dtype(shipped.prior) == torch.float16
    prior = tiny_networks().prior
    assert isinstance(prior, TransformerPrior)
    assert prior_dtype(prior) == torch.float16
    prior.blocks[0].get_parameter("contract.weight").mul_(1e5)
    assert prior_dtype(prior) == torch.bfloat16
    prior.blocks[0].get_parameter("contract.weight").fill_(float("nan"))
    assert prior_dtype(prior) == torch.bfloat16


def test_and_so_for_decoders_whose_last_layer_is_clamped_anyway() -> None:
    for layer, expected in ((2, torch.float16), (0, torch.float32)):
        autoencoder = tiny_networks().autoencoder
        assert decoder_dtype(autoencoder) == torch.float16  # type: ignore[arg-type]
        autoencoder.get_parameter(f"decoder.{layer}.bias").fill_(17_000)
        assert decoder_dtype(autoencoder) == expected  # type: ignore[arg-type]


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.floats(0.1, 30))
def test_nothing_that_is_computed_is_beyond_its_bound(seed: int, scale: float) -> None:
    """A prior whose bound is just within the range never leaves it, whatever its weights are."""
    prior = tiny_networks(seed=seed).prior
    assert isinstance(prior, TransformerPrior)
    for parameter in prior.parameters():
        parameter.mul_(scale)
    if prior_dtype(prior) == torch.float16:
        seen = []
        hooks = [
            module.register_forward_hook(lambda _, __, output: seen.append(output.abs().max()))
            for module in prior.modules()
        ]
        prior(torch.randint(8, (50, 6)), torch.randint(4, (50,)))
        assert hooks
        assert max(seen) < torch.finfo(torch.float16).max / 4


def test_what_arithmetic_is_asked_for_while_recording_is_as_before_afterwards() -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn

    def asked() -> tuple[bool, ...]:
        halves = [f"allow_{half}_reduced_precision_reduction" for half in ("fp16", "bf16")]
        sums = [getattr(matmul, name + part) for name in halves for part in ("", "_split_k")]
        kinds = ("mem_efficient", "math", "flash", "cudnn")
        attention = [bool(getattr(torch.backends.cuda, f"{kind}_sdp_enabled")()) for kind in kinds]
        return (
            *sums,
            cudnn.benchmark,
            cudnn.deterministic,
            cudnn.enabled,
            cudnn.allow_tf32,
            matmul.allow_tf32,
            *attention,
        )

    before = asked()
    with steady_arithmetic():
        *others, efficient, math, flash, by_cudnn = asked()
        assert others == [False] * 4 + [False, True, True, before[7], before[8]]
        assert (efficient, math, flash, by_cudnn) == (True, True, False, False)
    assert asked() == before
    with pytest.raises(RuntimeError), steady_arithmetic():
        raise RuntimeError
    assert asked() == before
