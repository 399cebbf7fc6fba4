"""Features of networks that came trained: Inception's as published distances need them, and ImageNet's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from factories import tiny_audio_manifest, tiny_manifest, tiny_networks
from rich.console import Console
from torch import Tensor, nn
from toy_data import toy_split

from models.errors import AnytimeError, DataError, RecipeError
from training.data.dataset import Dataset, Split
from training.evaluation import console, measure
from training.evaluation.features import inception
from training.evaluation.features.imagenet import load_imagenet
from training.evaluation.features.inception import PUBLISHED, Inception, Mixed, enlarged, load_inception
from training.evaluation.features.network import FeatureJudge, FeatureNetwork
from training.evaluation.measure import Evaluation
from training.evaluation.report import Report
from training.recipe import BUNDLED, EvaluateRecipe, parse_recipe, read_toml

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(Inception().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return toy_split(6, classes=2, size=12).images


def test_inception_is_the_published_network() -> None:
    """Its parameters: 23,834,568 with ImageNet's 1000 classes, and 8 rows of 2049 more for the 1008 of 2015."""
    network = Inception()
    assert sum(each.numel() for each in network.parameters()) == 23_834_568 + 8 * 2049
    shapes = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    assert shapes["Conv2d_4a_3x3.conv.weight"] == (192, 80, 3, 3)
    assert shapes["Mixed_5b.branch5x5_2.bn.running_mean"] == (64,)
    assert shapes["Mixed_6a.branch3x3dbl_3.conv.weight"] == (96, 96, 3, 3)
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)


def test_every_picture_ends_as_8_by_8_places_whatever_its_size() -> None:
    seen: list[torch.Size] = []
    network = Inception().eval()
    network.Mixed_7c.register_forward_hook(lambda _module, _inputs, found: seen.append(found.shape))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 9, 14)).shape == (1, 2048)
    assert seen == [(1, 2048, 8, 8)]


def test_pictures_are_enlarged_as_tensorflow_1_did() -> None:
    line = torch.tensor([0.0, 6.0]).view(1, 1, 1, 2)
    assert enlarged(line.expand(1, 1, 2, 2), 4)[0, 0].tolist() == [[0, 3, 6, 6]] * 4
    assert torch.allclose(enlarged(line.expand(1, 1, 2, 2), 6)[0, 0, 0], torch.tensor([0.0, 2, 4, 6, 6, 6]))
    picture = torch.rand(2, 3, 5, 5)
    assert torch.allclose(enlarged(picture, 5), picture)


def test_what_is_pooled_beyond_the_border_does_not_count() -> None:
    ones, dot = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 1
    results = []
    for pool, x in (("average", ones), ("maximum", dot)):
        block = Mixed(1, [], pool, 1).eval()  # type: ignore[arg-type]
        assert block.branch_pool is not None
        nn.init.ones_(block.branch_pool.conv.weight)
        results.append(block(x) * (1 + 1e-3) ** 0.5)  # batch norm's epsilon taken out
    assert torch.allclose(results[0], ones)
    expected = torch.zeros(1, 1, 5, 5)
    expected[..., 1:4, 1:4] = 1
    assert torch.allclose(results[1], expected)


def test_the_file_says_which_network_it_is(weights: Path, monkeypatch: pytest.MonkeyPatch, pictures: Tensor) -> None:
    other = load_inception(weights, CPU)
    digest = other.name.removeprefix("inception-")
    assert len(digest) == 8
    monkeypatch.setattr(inception, "_DIGEST", digest)
    published = load_inception(weights, CPU)
    assert published.name == PUBLISHED
    features = published.of(pictures[:2])
    assert (features.shape, features.dtype) == ((2, 2048), torch.float64)
    assert torch.equal(features, other.of(pictures[:2]))


def test_a_file_without_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    expected = r"x\.pth: does not hold Inception's weights as .* publish them"
    with pytest.raises(AnytimeError, match=expected + r".*FileNotFoundError"):
        load_inception(path, CPU)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(AnytimeError, match=expected):
        load_inception(path, CPU)
    torch.save({"fc.weight": torch.zeros(2)}, path)
    with pytest.raises(AnytimeError, match=expected + ".*KeyError"):
        load_inception(path, CPU)


def test_features_of_imagenet() -> None:
    network = load_imagenet(CPU)
    assert network.name == "imagenet-efficientnet-lite0-0.1.0-at-128"
    rows = torch.linspace(0, 255, 32).to(torch.uint8)
    ramp, stripes = rows.expand(1, 32, 32), (rows // 64 % 2 * 255).expand(1, 32, 32)
    nearly = (ramp.float() * 0.97).to(torch.uint8)
    grey = torch.stack([ramp, nearly, stripes])
    features = network.of(grey)
    assert (features.shape, features.dtype) == ((3, 1280), torch.float64)
    near, far = ((features[0] - features[other]).norm() for other in (1, 2))
    assert near < far / 2
    assert torch.allclose(network.of(grey.expand(-1, 3, -1, -1)), features)
    assert torch.allclose(network.of(grey[2:]), features[2:], atol=1e-4)


class Means(nn.Module):
    """Features that are easily had: the means of rows of the first channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H)."""
        assert x.shape[1] == 3
        return x[:, 0].mean(2)


def evaluated(folder: Path, classes: int, recipe: EvaluateRecipe, weights: Path | None) -> Report:
    labels = tuple(f"label {n}" for n in range(classes))
    train, test = toy_split(120, classes=classes), toy_split(40, seed=1, classes=classes)
    evaluation = Evaluation(
        networks=tiny_networks(tiny_manifest().model_copy(update={"labels": labels})),
        dataset=Dataset(train, train.take(torch.arange(0)), test, "fingerprint", labels),
        recipe=recipe,
        samples=30,
        seed=0,
        directory=folder,
        device=CPU,
        trained_on=None,
        inception=weights,
    )
    with console.progress_bar(Console(file=io.StringIO()), evaluation.steps) as progress:
        return measure.evaluate(evaluation, progress)


def test_an_evaluation_by_the_features_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "load_imagenet", lambda device: FeatureNetwork("imagenet-means", Means(), device))
    recipe = EvaluateRecipe(classifier_epochs=1, features="imagenet")
    found = evaluated(tmp_path / "one", 1, recipe, None)
    assert (found.extractor.name, found.extractor.task, found.extractor.features) == ("imagenet-means", "nothing", 8)
    assert found.distance.name == "FD (imagenet-means)"
    assert found.samples.fractions[-1].recognition is None
    found = evaluated(tmp_path / "two", 2, recipe, None)
    assert found.distance.name == "FD (imagenet-means)"
    assert (found.extractor.task, found.extractor.epochs) == ("labels", 1)
    assert (found.extractor.classifier or "").startswith("local-cnn-")
    assert found.samples.fractions[-1].recognition is not None
    out = io.StringIO()
    console.show(Console(file=out, width=200), found)
    assert "has labels recognised by local-cnn-" in out.getvalue()


def test_an_evaluation_with_inceptions_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def load(path: Path, device: torch.device) -> FeatureNetwork:
        asked.append(path)
        return FeatureNetwork(PUBLISHED, Means(), device)

    monkeypatch.setattr(measure, "load_inception", load)
    found = evaluated(tmp_path, 2, EvaluateRecipe(classifier_epochs=1), tmp_path / "weights.pth")
    assert asked == [tmp_path / "weights.pth"]
    assert found.distance.name == "FID"
    out = io.StringIO()
    console.show(Console(file=out, width=200), found)
    assert " FID " in out.getvalue()
    assert " FD " not in out.getvalue()


def test_only_pictures_are_looked_at(weights: Path, tmp_path: Path) -> None:
    networks = tiny_networks(tiny_audio_manifest())
    clips = Split(torch.zeros(4, 1, *networks.manifest.media.shape[1:], dtype=torch.int16), torch.zeros(4).long())
    evaluation = Evaluation(
        networks=networks,
        dataset=Dataset(clips, clips, clips, "fingerprint", networks.manifest.labels),
        recipe=EvaluateRecipe(),
        samples=4,
        seed=0,
        directory=tmp_path,
        device=CPU,
        trained_on=None,
        inception=weights,
    )
    with (
        console.progress_bar(Console(file=io.StringIO()), evaluation.steps) as progress,
        pytest.raises(DataError, match="only pictures with 1 or 3 channels"),
    ):
        measure.evaluate(evaluation, progress)
    values = read_toml(BUNDLED / "speech.toml")
    with pytest.raises(RecipeError, match=r"evaluate\.features: imagenet is for images, and media\.type is audio"):
        parse_recipe({**values, "evaluate": {"features": "imagenet"}}, "speech.toml")


def test_labels_are_the_classifiers_and_features_the_networks(pictures: Tensor) -> None:
    network = FeatureNetwork("means", Means(), CPU)
    alone = FeatureJudge(network, None).judge(pictures)
    assert torch.equal(alone.features, network.of(pictures))
    assert alone.predictions.tolist() == [0] * len(pictures)
