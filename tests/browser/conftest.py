"""A browser, and servers whose models leave time to look at what happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import Playground, chromium, playground
from factories import tiny_audio_manifest, tiny_manifest, tiny_networks
from playwright.sync_api import Browser
from server_process import ROOT, ServerProcess, running_server

from models.bundle.writer import write_bundle

CODES = 1500


# One per module: while it lives, no test with a loop of its own can run in this process.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as each:
        yield each


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`colours`, of 1500 codes, and `clips`, of as many, on plain PyTorch: a sample takes seconds."""
    folder = tmp_path_factory.mktemp("slow")
    for manifest in (tiny_manifest("colours", CODES, (3, 16, 16)), tiny_audio_manifest("clips", CODES)):
        networks = tiny_networks(manifest)
        write_bundle(folder / "bundles" / manifest.name, networks.manifest, networks.autoencoder, networks.prior)
    with running_server(folder / "bundles", folder, "--executor", "reference", "--slots", "32") as each:
        yield each


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The model that ships, as it is served by default."""
    with running_server(ROOT / "models" / "pretrained" / "fashion-mnist", tmp_path_factory.mktemp("quick")) as each:
        yield each


@pytest.fixture
def page(browser: Browser, slow: ServerProcess) -> Iterator[Playground]:
    """The playground of the slow models."""
    with playground(browser, slow.url) as each:
        yield each


@pytest.fixture
def quick_page(browser: Browser, quick: ServerProcess) -> Iterator[Playground]:
    """The playground of the model that ships."""
    with playground(browser, quick.url) as each:
        yield each
