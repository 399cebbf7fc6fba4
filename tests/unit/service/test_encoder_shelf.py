"""Which models the encoder has while they come and go."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import cast

import pytest
from fake_pool import manifest

from models.errors import BundleError
from models.runtime.coder import Coder
from service.encoder.shelf import Loaded, Shelf

ONE, TWO, THREE = (manifest("m", version=version) for version in "123")
FOLDERS = {Path(each.version): each for each in (ONE, TWO, THREE)}


class Loader:
    """Loads the model whose version the folder is called by; waits first, if it is told to."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.may = Event()
        self.may.set()

    def __call__(self, path: Path) -> Loaded:
        assert self.may.wait(10)
        if path not in FOLDERS:
            raise BundleError(path, "no such folder")
        self.loaded.append(path.name)
        return Loaded(FOLDERS[path], cast("Coder", None))


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def shelf(loader: Loader) -> Shelf:
    shelf = Shelf(loader)
    shelf.begin([Path("1")])
    return shelf


def found(shelf: Shelf) -> list[str]:
    """The versions that it has."""
    return [each.version for each in FOLDERS.values() if shelf.find(each.identity)]


def test_it_begins_with_what_can_be_loaded(loader: Loader) -> None:
    shelf = Shelf(loader)
    with pytest.raises(BundleError, match="no such folder"):
        shelf.begin([Path("4"), Path("5")])
    shelf.begin([Path("4"), Path("2")])
    assert found(shelf) == ["2"]


def test_what_is_new_is_loaded_and_what_was_there_is_kept(shelf: Shelf, loader: Loader) -> None:
    shelf.offer({ONE.identity: Path("1"), TWO.identity: Path("2")})
    assert found(shelf) == ["1", "2"]
    assert loader.loaded == ["1", "2"]


def test_it_is_waited_for_only_by_who_needs_it(shelf: Shelf, loader: Loader) -> None:
    loader.may.clear()
    shelf.offer({ONE.identity: Path("1"), TWO.identity: Path("2")})
    assert shelf.find(ONE.identity)
    loader.may.set()
    assert shelf.find(TWO.identity)


def test_what_has_gone_is_forgotten_with_the_change_after_that(shelf: Shelf) -> None:
    shelf.offer({ONE.identity: Path("1")})
    shelf.offer({TWO.identity: Path("2")})
    assert found(shelf) == ["1", "2"]
    shelf.offer({THREE.identity: Path("3")})
    assert found(shelf) == ["2", "3"]


def test_a_folder_that_holds_another_model_by_now_is_of_no_use(shelf: Shelf) -> None:
    shelf.offer({TWO.identity: Path("3"), ONE.identity: Path("4")})
    assert shelf.find(TWO.identity) is None
    assert shelf.find(ONE.identity)
