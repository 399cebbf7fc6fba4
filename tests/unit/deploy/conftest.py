"""What every test of deploy/kubernetes is given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from manifests import OVERLAYS, Objects, built


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Objects]:
    """Builds an overlay."""
    folder = tmp_path_factory.mktemp("deploy")
    return lambda overlay: built(overlay, folder)


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest, build: Callable[[str], Objects]) -> Objects:
    """Each of the overlays."""
    return build(request.param)
