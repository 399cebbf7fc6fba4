"""The ordered VQ-VAE (anytime paper, section 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.config import AutoencoderConfig, Media
from models.estimators import Estimator, straight_through
from models.networks import build_decoder, build_encoder
from models.quantiser import Quantised, Quantiser
from models.truncation import prefix_mask


class OrderedLoss(NamedTuple):
    """The three terms of Eq. (6), each summed over an example and averaged over the batch; scalars."""

    reconstruction: Tensor
    codebook: Tensor
    commitment: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.reconstruction + self.codebook + self.commitment


class TrainingPass(NamedTuple):
    """What one pass over a batch gives to learn from.

    Attributes:
        losses: the terms to minimise.
        z: (B, K, D), what the encoder made of each code, cut off from the gradient.
        indices: (B, K) int64, the entries that it chose.
        output: (B, *media shape), what the decoder made of them, not clamped.
    """

    losses: OrderedLoss
    z: Tensor
    indices: Tensor
    output: Tensor


class OrderedVQVAE(nn.Module):
    """Encoder, quantiser and decoder whose K codes are sorted by importance.

    Trained with `train_pass`: at full length it is the VQ-VAE of Eq. (5); with random lengths Eq. (6) orders its codes.
    """

    missing: Tensor

    def __init__(self, config: AutoencoderConfig, media: Media) -> None:
        super().__init__()
        self.config = config
        self.media = media
        self.grid = config.grid(media)
        self.encoder = build_encoder(config, media)
        self.quantiser = Quantiser(config.codebook, config.code_dim(media))
        self.decoder = build_decoder(config, media)
        # (K, D): what stands in for the codes that are not there.
        missing = torch.zeros(config.codes, config.code_dim(media))
        if config.missing == "learned":
            self.missing = nn.Parameter(missing)
        else:
            self.register_buffer("missing", missing, persistent=False)

    def encode(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> z_e (B, K, D): a code is a channel of the feature map (section 4.3) or a place."""
        features: Tensor = self.encoder(x).flatten(2)
        return features if self.config.quantisation == "channel" else features.transpose(1, 2)

    def quantise(self, z: Tensor) -> Quantised:
        """z_e (B, K, D) -> indices (B, K) and vectors (B, K, D)."""
        quantised: Quantised = self.quantiser(z)
        return quantised

    def encode_codes(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> code indices (B, K) int64."""
        return self.quantiser.nearest(self.encode(x))

    def decode_codes(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Decode a prefix of each row of codes; the rest is `missing` (section 3.2 has zero vectors).

        Args:
            codes: (B, K) int64; entries from `lengths` on are ignored but must be valid indices.
            lengths: (B,) int64, each 0..K.

        Returns:
            (B, *media shape), clamped to the range of the media: [0, 1] for images, [-1, 1] for audio.
        """
        return self.decode_vectors(self.quantiser.lookup(codes), lengths).clamp(*self.media.range)

    def decode_vectors(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """The decoder's output, not clamped, for a prefix of each row of code vectors (B, K, D)."""
        kept = prefix_mask(lengths, self.config.codes)[..., None]
        vectors = torch.where(kept, vectors, self.missing)
        if self.config.quantisation == "spatial":
            vectors = vectors.transpose(1, 2)
        sample: Tensor = self.decoder(vectors.reshape(len(vectors), self.config.channels, *self.grid))
        return sample

    def train_pass(
        self, x: Tensor, lengths: Tensor, commitment: float, carry: Estimator = straight_through
    ) -> TrainingPass:
        """The terms of Eq. (6) for one truncation index per example; Eq. (5) where every length is K.

        Args:
            x: (B, *media shape).
            lengths: (B,) int64, each 1..K.
            commitment: beta.
            carry: how the gradient passes the quantiser.
        """
        z = self.encode(x).to(x.dtype)  # under autocast it comes out narrower
        mask = prefix_mask(lengths, self.config.codes)[..., None]
        chosen = self.quantise(z)
        reconstruction = self.decode_vectors(carry(z, chosen.vectors), lengths)
        losses = OrderedLoss(
            _per_example(reconstruction - x),
            _per_example((chosen.vectors - z.detach()) * mask),
            commitment * _per_example((z - chosen.vectors.detach()) * mask),
        )
        return TrainingPass(losses, z.detach(), chosen.indices, reconstruction)

    @torch.no_grad()
    def initialise_codebook(self, x: Tensor, generator: torch.Generator) -> None:
        """Place the codebook on the encoder's outputs for x (B, *media shape), B * K >= C."""
        self.quantiser.initialise(self.encode(x).flatten(0, 1), generator)


def _per_example(difference: Tensor) -> Tensor:
    """Squared norm of each example, averaged over the batch."""
    return difference.square().sum() / len(difference)
