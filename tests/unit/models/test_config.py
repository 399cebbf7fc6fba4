from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.config import AutoencoderConfig, Media, PixelCNNConfig, TransformerConfig

MNIST = {"codes": 16, "codebook": 126, "filters": (4, 4, 3), "strides": (2, 2, 1), "widths": (16, 32)}


def test_the_papers_code_dimensions_follow_from_its_filters() -> None:
    mnist = AutoencoderConfig(**MNIST)
    cifar = AutoencoderConfig(codes=70, codebook=1000, filters=(4, 4, 4, 3), strides=(2, 2, 2, 1), widths=(8, 8, 8))
    vctk = AutoencoderConfig(codes=512, codebook=128, filters=(25,) * 5, strides=(4, 4, 4, 4, 1), widths=(8,) * 4)
    assert mnist.code_dim(Media(type="image", shape=(1, 28, 28))) == 49
    assert cifar.code_dim(Media(type="image", shape=(3, 32, 32))) == 16
    assert cifar.code_dim(Media(type="image", shape=(3, 64, 64))) == 64
    assert vctk.code_dim(Media(type="audio", shape=(1, 15360), sample_rate=16000)) == 60


def test_audio_has_a_duration() -> None:
    assert Media(type="audio", shape=(2, 15360), sample_rate=16000).seconds == 0.96
    assert Media(type="image", shape=(1, 28, 28)).seconds is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strides": (2, 2)}, "strides has 2 entries for 3 filters"),
        ({"widths": (16,)}, "widths needs 2 entries"),
        ({"filters": (), "strides": (), "widths": ()}, "at least one convolution"),
        ({"filters": (1, 4, 3)}, "smaller than its stride"),
        ({"codebook": 1}, "greater than 1"),
        ({"height": 3}, "Extra inputs are not permitted"),
    ],
)
def test_an_autoencoder_that_makes_no_sense_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AutoencoderConfig(**{**MNIST, **change})


def test_strides_must_divide_the_media() -> None:
    with pytest.raises(ValueError, match="does not divide the media shape"):
        AutoencoderConfig(**MNIST).grid(Media(type="image", shape=(1, 30, 30)))


@pytest.mark.parametrize(
    ("media", "said"),
    [
        ({"type": "image", "shape": (28, 28)}, "needs a shape of 3 numbers"),
        ({"type": "audio", "shape": (1, 15360)}, "audio needs it"),
        ({"type": "image", "shape": (1, 28, 28), "sample_rate": 8000}, "sample_rate is for audio"),
        ({"type": "image", "shape": (1, 0, 28)}, "greater than 0"),
    ],
)
def test_media_that_make_no_sense_are_refused(media: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Media.model_validate(media)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"width": 9}, "must be even"), ({"filter": 4}, "must be odd"), ({"filter": 1}, "greater than or equal to 3")],
)
def test_a_pixelcnn_that_makes_no_sense_is_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PixelCNNConfig(**{"layers": 1, "width": 8, **sizes})


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValidationError, match="must divide width"):
        TransformerConfig(layers=1, width=10, feed_forward=10, heads=4)
