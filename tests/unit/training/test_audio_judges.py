"""Who judges clips, and what the Fréchet distance and PCA of clips rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_sound import VOICES

from models.config import Media
from models.errors import AnytimeError
from training.data.dataset import Split
from training.evaluation import pca
from training.evaluation.audio import components, voice
from training.evaluation.audio.judges import SpectrogramJudge, VoiceJudge, judge_of_clips
from training.evaluation.audio.sheets import paint
from training.evaluation.classifier import ClassifierConfig

MEDIA = Media(type="audio", shape=(1, 2000), sample_rate=8000)
CPU = torch.device("cpu")
CONFIG = ClassifierConfig(epochs=6, seed=0, batch=16, widths=(8, 16), features=32)


def voices(count: int, seed: int = 0) -> Split:
    """Tones of two voices, one after another in turn."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    hertz = torch.tensor(list(VOICES.values()))[labels] * (0.95 + 0.1 * torch.rand(count, generator=generator))
    time = torch.arange(MEDIA.shape[1]) / 8000
    clips = torch.sin(2 * torch.pi * hertz[:, None] * time) * (0.1 + 0.4 * torch.rand(count, 1, generator=generator))
    return Split((clips * 32767).to(torch.int16)[:, None], labels)


def test_without_the_voice_encoder_a_classifier_hears_the_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "installed", lambda: False)
    lines, test = list[str](), voices(30, seed=1)
    judge = judge_of_clips(tmp_path / "c.safetensors", CONFIG, voices(96), 2, MEDIA, CPU, lines.append)
    judged = judge.judge(test.images)
    assert isinstance(judge, SpectrogramJudge)
    assert judge.name.startswith("log-mel-local-cnn-32-")
    assert judge.epochs == len(lines) == 6
    assert judged.features.shape == (30, 32)
    assert torch.equal(judged.predictions, test.labels)


def encoder() -> voice.VoiceEncoder:
    torch.manual_seed(0)
    return voice.VoiceEncoder().eval().requires_grad_(False)


def package(folder: Path, weights: object) -> Path:
    """What pip would install, as far as it is looked at."""
    (folder / "resemblyzer").mkdir(parents=True)
    (folder / "resemblyzer" / "__init__.py").write_text("raise ImportError('not needed')")
    torch.save(weights, folder / "resemblyzer" / "pretrained.pt")
    facts = folder / "resemblyzer-9.9.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: resemblyzer\nVersion: 9.9\n")
    return folder


def test_the_packages_weights_are_taken_without_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encoder()
    stored = {**expected.state_dict(), "similarity_weight": torch.ones(1)}
    monkeypatch.syspath_prepend(package(tmp_path, {"step": 1, "model_state": stored}))
    assert voice.installed()
    lines, train = list[str](), voices(20)
    judge = judge_of_clips(tmp_path / "none", CONFIG, train, 2, MEDIA, CPU, lines.append)
    assert (judge.name, judge.epochs, len(lines)) == ("resemblyzer-9.9", 0, 6)
    assert not (tmp_path / "none").exists()
    heard = VoiceJudge("", expected, MEDIA, CPU)
    heard.learn(train, 2)
    assert torch.equal(judge.judge(train.images).features, heard.judge(train.images).features)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(package(tmp_path, {"model_state": {}}))
    with pytest.raises(AnytimeError, match=r"pretrained\.pt: does not hold the voice encoder's weights"):
        voice.load_voice_encoder(CPU)


def test_a_label_is_the_one_whose_mean_embedding_is_nearest() -> None:
    train, test = voices(40), voices(20, seed=1)
    judge = VoiceJudge("", encoder(), MEDIA, CPU)
    judge.learn(train, 3)
    judged = judge.judge(test.images)
    means = torch.stack([judge.judge(train.images[train.labels == label]).features.mean(0) for label in (0, 1)])
    nearest = torch.nn.functional.cosine_similarity(judged.features[:, None], means, dim=2).argmax(1)
    assert torch.equal(judged.predictions, nearest)
    assert judged.features.norm(dim=1).tolist() == pytest.approx([1] * 20, rel=1e-5)
    assert judged.features.min() >= 0


def test_the_encoder_raises_quiet_clips_and_bears_silence() -> None:
    hears = encoder()
    loud = torch.sin(torch.arange(16000) / 10)[None]
    quiet, quieter = hears(loud / 1e3), hears(loud / 1e4)
    torch.testing.assert_close(quiet, quieter, rtol=1e-3, atol=1e-5)
    assert (hears(loud) - quiet).abs().max() > 1e-3  # a loud one stays as it is
    assert torch.isfinite(hears(torch.zeros(2, 16000))).all()


def test_components_found_by_iteration_are_the_exact_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(12, 300, generator=generator) * 2.0 ** -torch.arange(12)[:, None]
    clips = (torch.randn(200, 12, generator=generator) @ patterns * 2000).to(torch.int16)[:, None]
    exact, found = pca.fit(clips, 5), components.fit(clips, 5)
    errors, expected = found.errors(clips, clamp=False).mean(0), exact.errors(clips, clamp=False).mean(0)
    assert errors.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    identity = found.components.T @ found.components
    torch.testing.assert_close(identity, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-6)


def test_components_of_noise_are_nearly_the_exact_ones_and_never_better() -> None:
    clips = torch.randint(-9000, 9000, (150, 1, 200), generator=torch.Generator().manual_seed(0)).to(torch.int16)
    exact = pca.fit(clips, 8).errors(clips, clamp=False).mean(0)
    found = components.fit(clips, 8).errors(clips, clamp=False).mean(0)
    assert (found >= exact - 1e-6).all()
    assert found[-1] < exact[-1] * 1.02


def test_clips_are_clipped_to_their_own_range() -> None:
    clips = torch.cat([torch.full((3, 1, 4), -32768), torch.full((3, 1, 4), 32767)]).to(torch.int16)
    components_of = pca.fit(clips, 1)
    assert components_of.errors(clips, clamp=True)[:, 1].max() < 1e-6
    assert pca.mean_image(clips).abs().max() < 1e-4


def test_more_components_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="5 principal components of 4 samples"):
        components.fit(torch.zeros(9, 1, 4, dtype=torch.int16), 5)


def test_sheets_are_painted_in_any_arrangement() -> None:
    clips = voices(6).images
    painted = paint(clips.reshape(2, 3, 1, -1), MEDIA)
    assert painted.shape[:3] == (2, 3, 3)
    assert painted.dtype == torch.uint8
    assert np.array_equal(painted[1, 2].numpy(), paint(clips, MEDIA)[5].numpy())
