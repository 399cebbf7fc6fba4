"""Mel spectrograms, the distance between them, and pictures of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.config import Media
from training.audio.distance import LogMelDistance
from training.audio.mel import SILENCE, LogMel, mel_edges, mel_filters
from training.audio.pictures import as_pictures, brightness, spectrograms

MEDIA = Media(type="audio", shape=(1, 2048), sample_rate=8000)


def tone(hertz: float, amplitude: float = 0.5, media: Media = MEDIA) -> Tensor:
    """(1, 1, T)."""
    time = torch.arange(media.shape[-1]) / (media.sample_rate or 0)
    return (amplitude * torch.sin(2 * math.pi * hertz * time))[None, None]


def test_slaneys_scale_is_linear_to_one_kilohertz_and_logarithmic_above() -> None:
    edges = mel_edges(16000, 40)
    assert edges[[0, -1]].tolist() == pytest.approx([0, 8000])
    below, above = edges[edges < 1000], edges[edges > 1000]
    steps, ratios = below.diff(), above[1:] / above[:-1]
    assert steps.tolist() == pytest.approx([steps[0].item()] * len(steps))
    assert ratios.tolist() == pytest.approx([ratios[0].item()] * len(ratios))
    # In mels of 200/3 Hz below the corner, and 27 of them to a factor of 6.4 above it.
    mels = (15 + 27 * math.log(8) / math.log(6.4)) / 41
    assert steps[0].item() == pytest.approx(mels * 200 / 3)
    assert ratios[0].item() == pytest.approx(6.4 ** (mels / 27))


def test_filters_are_triangles_that_add_up_to_one_between_the_outer_centres() -> None:
    filters, edges = mel_filters(8000, 512, 20), mel_edges(8000, 20)
    bins = torch.linspace(0, 4000, 257, dtype=torch.float64)
    inside = (bins >= edges[1]) & (bins <= edges[-2])
    assert filters.shape == (20, 257)
    assert filters[:, inside].sum(0).tolist() == pytest.approx([1.0] * int(inside.sum()), abs=1e-5)
    assert (filters.sum(1) > 0).all()


def test_a_full_scale_sine_is_at_zero_and_nothing_is_silence() -> None:
    log_mel = LogMel(8000, 512, 128, 20)
    centre = mel_edges(8000, 20)[8].item()
    levels = log_mel(tone(round(centre / 15.625) * 15.625, amplitude=1.0))
    # The band of the tone, away from the clip's ends. A Hann window spreads a tone over three bins: 1 + 2/4.
    assert levels[0, 7, 4:-4].tolist() == pytest.approx([10 * math.log10(1.5)] * (levels.shape[-1] - 8), abs=0.7)
    silence = log_mel(torch.zeros(2, 1, 2048))
    assert silence.shape == (2, 20, 17)
    assert silence.unique().tolist() == pytest.approx([SILENCE], abs=1e-4)


def test_ten_times_quieter_is_twenty_decibels_less() -> None:
    log_mel = LogMel(8000, 256, 64, 16)
    loud, quiet = log_mel(tone(1000)), log_mel(tone(1000, amplitude=0.05))
    loudest = loud.argmax(1, keepdim=True)
    assert (loud - quiet).gather(1, loudest)[..., 3:-3].flatten().tolist() == pytest.approx([20] * 27, abs=0.01)


def test_distance_is_a_distance_and_hears_no_phase() -> None:
    distance = LogMelDistance(MEDIA)
    noise = 0.1 * torch.randn(1, 1, 2048, generator=torch.Generator().manual_seed(0))
    clips = torch.cat([tone(300), tone(310), tone(2000), noise])
    assert distance(clips, clips).tolist() == [0] * 4
    assert distance(clips, clips.flip(0)).tolist() == pytest.approx(distance(clips.flip(0), clips).tolist())
    near, far, other = distance(clips[:1].expand(3, 1, 2048), clips[1:]).tolist()
    assert 0 < near < far < other
    shifted = distance(tone(1000), tone(1000).roll(2, -1)).item()  # a quarter of a period
    assert shifted < 0.1 * distance(tone(1000), tone(1500)).item()
    assert (tone(1000) - tone(1000).roll(2, -1)).square().sum() > tone(1000).square().sum()


def test_distance_teaches_even_silence() -> None:
    silence = torch.zeros(1, 1, 2048, requires_grad=True)
    LogMelDistance(MEDIA)(silence + 1e-4 * tone(500), tone(500)).sum().backward()
    assert silence.grad is not None
    assert torch.isfinite(silence.grad).all()
    assert silence.grad.abs().sum() > 0


@pytest.mark.parametrize(("shape", "rate"), [((1, 40), 8000), ((1, 1000), 44100), ((1, 300), 100)])
def test_clips_of_any_length_and_rate_can_be_compared_and_seen(shape: tuple[int, int], rate: int) -> None:
    media = Media(type="audio", shape=shape, sample_rate=rate)
    clips = torch.rand(2, *shape) - 0.5
    assert torch.isfinite(LogMelDistance(media)(clips, clips.flip(0))).all()
    assert np.isfinite(spectrograms(clips, media)).all()


@pytest.mark.parametrize(
    "media", [Media(type="image", shape=(1, 8, 8)), Media(type="audio", shape=(2, 64), sample_rate=8000)]
)
def test_only_clips_of_one_channel_have_a_distance(media: Media) -> None:
    with pytest.raises(ValueError, match="spectrograms are of audio with one channel, not of"):
        LogMelDistance(media)


def test_high_tones_are_on_top_of_a_picture() -> None:
    pictures = brightness(torch.cat([tone(200), tone(3500)]), MEDIA)
    low, high = pictures[:, 0].mean(-1).argmax(1).tolist()
    assert pictures.shape == (2, 1, 64, 129)
    assert high < 10
    assert low > 50
    assert pictures.min() == 0
    assert pictures.max().item() == pytest.approx(0.9, abs=0.1)
    coloured = as_pictures(torch.zeros(3, 1, 2048), MEDIA)
    assert coloured.shape == (3, 3, 64, 129)
    assert coloured.max() < 0.05


def test_images_are_their_own_pictures() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert np.array_equal(as_pictures(images, Media(type="image", shape=(1, 8, 8))), images.numpy())
