"""A variational autoencoder whose latents can be sorted by importance (anytime paper, appendix C.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.config import Media
from models.networks import build_decoder, build_encoder
from models.truncation import prefix_mask
from training.baselines.options import VAEConfig


class Posterior(NamedTuple):
    """q(z | x), a Gaussian with a variance of its own for each latent.

    Attributes:
        mean: (B, K).
        log_variance: (B, K).
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Z (B, K) from standard normal noise (B, K), differentiable in mean and variance."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    @property
    def divergence(self) -> Tensor:
        """KL(q(z_i | x) || N(0, 1)) of each latent, (B, K) in nats."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)


class VAELoss(NamedTuple):
    """The two terms of Eq. (13) for the lengths drawn, averaged over the batch; scalars.

    Attributes:
        reconstruction: squared error summed over an image; -log p(x | z) times twice its variance, but for a constant.
        divergence: in nats, summed over the latents that are kept.
    """

    reconstruction: Tensor
    divergence: Tensor


class VAE(nn.Module):
    """Encoder, Gaussian posterior and decoder; Eq. (13) sorts the K latents.

    Unlike a code of the ordered VQ-VAE a latent is one number.
    """

    def __init__(self, config: VAEConfig, media: Media) -> None:
        super().__init__()
        self.config = config
        self.media = media
        convolutions = config.convolutions
        map_shape = (config.channels, *convolutions.grid(media))
        features = math.prod(map_shape)
        self.encoder = nn.Sequential(
            build_encoder(convolutions, media),
            nn.LeakyReLU(config.leak),
            nn.Flatten(),
            nn.Linear(features, 2 * config.latents),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latents, features),
            nn.LeakyReLU(config.leak),
            nn.Unflatten(1, map_shape),
            build_decoder(convolutions, media),
        )

    def posterior(self, x: Tensor) -> Posterior:
        """(B, *media shape) -> q(z | x)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return Posterior(mean, log_variance)

    def decode(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """The decoder's output, not clamped, for the first `lengths` (B,) of the latents (B, K); the rest are zero."""
        kept = prefix_mask(lengths, self.config.latents)
        sample: Tensor = self.decoder(torch.where(kept, latents, 0.0))
        return sample

    def train_pass(self, x: Tensor, lengths: Tensor, noise: Tensor) -> VAELoss:
        """The terms of Eq. (13) for one truncation index per example; a standard VAE's where every length is K.

        Args:
            x: (B, *media shape).
            lengths: (B,) int64, each 1..K.
            noise: (B, K) standard normal.
        """
        posterior = self.posterior(x)
        kept = prefix_mask(lengths, self.config.latents)
        return VAELoss(
            (self.decode(posterior.sample(noise), lengths) - x).square().sum() / len(x),
            (posterior.divergence * kept).sum() / len(x),
        )

    def encode_codes(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> the mean of q(z | x), (B, K): what stands for the image when errors are measured."""
        return self.posterior(x).mean

    def decode_codes(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Like `decode`, clamped to the range of the media."""
        return self.decode(codes, lengths).clamp(*self.media.range)
