"""What the registry makes of a folder, look by look, without workers."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
from bundle_folder import alias, put, remove
from factories import write_tiny_bundle

from models.bundle.manifest import MANIFEST, PRIOR
from models.bundle.reader import read_manifest
from models.errors import BundleError
from service.registry import BundleState, Registry
from service.registry.folder import look


class House:
    """A registry over a folder with `m@1`, served by workers that load at once all that is wanted."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.bundle = bundle
        self.put("m", "1")
        self.registry = Registry(folder)
        self.registry.open()
        self.serve()

    def put(self, folder: str, version: str, **fields: object) -> Path:
        return put(self.bundle, self.folder, folder, **{"name": "m", "version": version, **fields})

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.registry.see(look(self.folder, self.registry.last))

    def serve(self) -> None:
        self.registry.publish(self.registry.wanted())

    @property
    def wanted(self) -> list[str]:
        return sorted(identity.partition("#")[0] for identity in self.registry.wanted())

    @property
    def served(self) -> dict[str, str]:
        """References by label."""
        return {label: manifest.reference for label, manifest in self.registry.catalogue.items()}

    def state(self, folder: str | None) -> BundleState:
        (found,) = [each for each in self.registry.bundles() if each.folder == folder]
        return found


@pytest.fixture
def house(tmp_path: Path, tiny_bundle: Path) -> House:
    (tmp_path / "bundles").mkdir()
    return House(tmp_path / "bundles", tiny_bundle)


def test_what_is_there_at_the_start_is_wanted_and_served(house: House) -> None:
    assert house.served == {"m": "m@1"}
    assert house.registry.bundles() == [BundleState("m", "m@1", "ready")]


def test_a_new_version_counts_after_two_looks_and_is_the_default_once_it_is_loaded(house: House) -> None:
    house.put("m-2", "2")
    house.look(1)
    assert house.wanted == ["m@1"]
    house.look(1)
    assert house.wanted == ["m@1", "m@2"]
    assert house.state("m-2").state == "loading"
    assert house.served == {"m": "m@1"}
    assert not house.registry.loses(house.registry.wanted())
    house.serve()
    assert house.served == {"m": "m@2", "m@1": "m@1"}


def test_looking_again_changes_nothing_and_tells_so(house: House) -> None:
    told: list[None] = []
    house.registry.listeners.append(lambda: told.append(None))
    assert not house.registry.see(look(house.folder, house.registry.last))
    house.look()
    assert told == []
    house.put("m-2", "2")
    assert house.registry.see(look(house.folder, house.registry.last))


def test_a_model_that_is_gone_is_served_no_more_at_once(house: House) -> None:
    other = house.put("other", "1", name="other")
    house.look()
    house.serve()
    assert house.served == {"m": "m@1", "other": "other@1"}
    remove(other)
    house.look()
    assert house.served == {"m": "m@1"}


def test_an_upgrade_in_place_keeps_the_old_one_until_the_new_one_is_loaded(house: House) -> None:
    house.put("m", "2")
    house.look()
    assert (house.wanted, house.served) == (["m@2"], {"m": "m@1"})
    assert house.registry.loses(house.registry.wanted())
    assert house.state("m") == BundleState("m", "m@2", "loading")
    assert house.state(None) == BundleState(None, "m@1", "ready")
    house.serve()
    assert house.served == {"m": "m@2"}


def test_an_upgrade_by_another_folder_keeps_the_old_one_until_the_new_one_is_loaded(house: House) -> None:
    house.put("m-2", "2")
    remove(house.folder / "m")
    house.look()
    assert (house.wanted, house.served) == (["m@2"], {"m": "m@1"})
    house.serve()
    assert house.served == {"m": "m@2"}


def test_one_of_two_versions_goes_at_once(house: House) -> None:
    house.put("m-2", "2")
    house.look()
    house.serve()
    remove(house.folder / "m-2")
    house.look()
    assert house.served == {"m": "m@1"}


def test_other_weights_of_the_same_version_are_another_model(house: House, tmp_path: Path) -> None:
    before = house.registry.catalogue["m"]
    write_tiny_bundle(tmp_path / "other", "m", seed=1)
    put(tmp_path / "other" / "m", house.folder, "m")
    house.look()
    assert house.registry.loses(house.registry.wanted())
    house.serve()
    after = house.registry.catalogue["m"]
    assert (after.reference, before.reference) == ("m@1", "m@1")
    assert after.identity != before.identity
    assert after.identity == read_manifest(house.folder / "m").identity


def test_a_folder_that_was_renamed_is_the_same_model(house: House) -> None:
    (house.folder / "m").rename(house.folder / "new-name")
    house.look()
    assert house.served == {"m": "m@1"}
    assert house.state("new-name").state == "ready"
    assert list(house.registry.wanted().values()) == [house.folder / "new-name"]
    assert house.registry.blocked() is None


def test_what_is_half_copied_is_not_wanted(house: House, caplog: pytest.LogCaptureFixture) -> None:
    whole = house.put(".coming", "2")
    place = house.folder / "m-2"
    place.mkdir()
    shutil.copy(whole / MANIFEST, place)
    content = (whole / PRIOR).read_bytes()
    (place / PRIOR).write_bytes(content[:1000])
    house.look()
    assert house.wanted == ["m@1"]
    assert house.state("m-2").state == "failed"
    assert "has 1000 bytes where the bundle lists" in caplog.text or "is missing" in caplog.text
    for file in whole.iterdir():
        shutil.copy(file, place)
    house.look()
    assert house.wanted == ["m@1", "m@2"]
    assert house.state("m-2").state == "loading"


def test_while_something_changes_at_every_look_it_is_left_alone(house: House) -> None:
    for version in range(2, 6):
        house.put("m", str(version))
        house.look(1)
        assert (house.wanted, house.served) == (["m@1"], {"m": "m@1"})
    house.look(1)
    assert house.wanted == ["m@5"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "is not JSON"), ("[]", "one JSON object"), ('{"format_version": 9}', "newer"), ("{}", "required")],
)
def test_a_manifest_that_makes_no_sense(house: House, content: str, says: str) -> None:
    place = house.folder / "broken"
    place.mkdir()
    (place / MANIFEST).write_text(content)
    house.look()
    state = house.state("broken")
    assert (state.model, state.state) == (None, "failed")
    assert state.error is not None
    assert says in state.error
    assert str(house.folder) not in state.error
    assert house.registry.blocked() is None
    assert house.wanted == ["m@1"]


def test_what_workers_could_not_load_is_tried_again_when_it_changes_or_when_told(house: House) -> None:
    place = house.put("m-2", "2")
    house.look()
    house.registry.failed({place: "the weights are cursed"})
    assert house.wanted == ["m@1"]
    assert house.state("m-2") == BundleState("m-2", "m@2", "failed", "the weights are cursed")
    house.look()
    assert house.wanted == ["m@1"]
    house.registry.retry()
    assert house.wanted == ["m@1", "m@2"]
    house.registry.failed({place: "the weights are cursed"})
    (place / PRIOR).touch()
    house.look()
    assert house.wanted == ["m@1", "m@2"]


def test_a_model_that_answers_is_not_given_up_for_what_broke_its_bundle(house: House) -> None:
    house.put("other", "1", name="other")
    with (house.folder / "m" / "stray").open("w"):
        pass
    content = json.loads((house.folder / "m" / MANIFEST).read_text())
    content["files"][PRIOR]["bytes"] += 1
    (house.folder / "m" / MANIFEST).unlink()
    (house.folder / "m" / MANIFEST).write_text(json.dumps(content))
    house.look()
    assert house.wanted == ["other@1"]
    assert house.served == {"m": "m@1"}
    assert "m@1 answers, but could not be loaded again: prior.safetensors: has" in (house.registry.blocked() or "")
    house.put("m", "2")
    house.look()
    assert house.registry.blocked() is None
    house.serve()
    assert house.served == {"m": "m@2", "other": "other@1"}


def test_a_broken_bundle_that_is_removed_holds_up_nothing(house: House) -> None:
    house.put("other", "1", name="other")
    house.put("m", "2")
    house.look()
    house.registry.failed({house.folder / "m": "no"})
    assert house.registry.blocked()
    remove(house.folder / "m")
    house.look()
    assert house.registry.blocked() is None
    assert house.served == {}
    house.serve()
    assert house.served == {"other": "other@1"}


def test_of_two_of_one_version_the_one_that_answers_stays(house: House) -> None:
    house.put("a", "1")
    house.look()
    assert house.wanted == ["m@1"]
    assert house.state("a").error == "another bundle, m, is also m@1"
    assert house.state("m").state == "ready"
    remove(house.folder / "m")
    house.look()
    assert house.state("a").state == "ready"


def test_aliases_follow_the_file(house: House) -> None:
    house.put("m-2", "2")
    house.look()
    house.serve()
    for target in ("m@1", "m@2"):
        alias(house.folder, prod=target, live="prod")
        house.look()
        assert house.registry.catalogue.aliases == {"prod": target, "live": target}
    alias(house.folder, m="m@1")
    house.look()
    assert house.served == {"m": "m@1", "m@2": "m@2"}
    (house.folder / "aliases.toml").unlink()
    house.look()
    assert house.registry.catalogue.aliases == {}
    assert house.served == {"m": "m@2", "m@1": "m@1"}


def test_an_alias_means_what_it_did_until_its_new_model_answers(house: House) -> None:
    alias(house.folder, prod="m@1")
    house.look()
    house.put("m-2", "2")
    alias(house.folder, prod="m@2")
    house.look()
    assert house.registry.catalogue.aliases == {"prod": "m@1"}
    house.serve()
    assert house.registry.catalogue.aliases == {"prod": "m@2"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("prod = ", "cannot be read"),
        ('prod = "stage"\nstage = "prod"', "in a circle"),
        ('m = "m"', "in a circle"),
        ("prod = 2", "in quotes"),
        ('prod = "m@"', "in quotes"),
        ('"a@b" = "m"', "cannot be an alias"),
    ],
)
def test_aliases_that_make_no_sense_change_nothing(
    house: House, content: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    alias(house.folder, prod="m@1")
    house.look()
    (house.folder / "aliases.toml").write_text(content)
    house.look()
    house.look()
    assert house.registry.catalogue.aliases == {"prod": "m@1"}
    assert sum("the aliases stay as they were" in each.message for each in caplog.records) == 1
    state = house.state("aliases.toml")
    assert state.state == "failed"
    assert says in (state.error or "")
    with pytest.raises(BundleError, match=says):
        Registry(house.folder).open()
    alias(house.folder, prod="m")
    house.look()
    assert [each.folder for each in house.registry.bundles()] == ["m"]


def test_an_alias_of_nothing_is_told_of(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        alias(house.folder, prod="m@7")
        house.look()
    assert house.registry.catalogue.find("prod") is None
    assert "the alias prod stands for m@7, which is not served" in caplog.text


def test_hidden_folders_are_passed_over(house: House) -> None:
    house.put(".m-2", "2")
    (house.folder / ".DS_Store").write_text("")
    house.look()
    assert house.wanted == ["m@1"]
    (house.folder / ".m-2").rename(house.folder / "m-2")
    house.look()
    assert house.wanted == ["m@1", "m@2"]


def test_a_single_bundle_can_be_upgraded(tmp_path: Path, tiny_bundle: Path) -> None:
    place = put(tiny_bundle, tmp_path, "m")
    registry = Registry(place)
    registry.open()
    registry.publish(registry.wanted())
    put(tiny_bundle, tmp_path, "m", version="2")
    for _ in range(2):
        registry.see(look(place, registry.last))
    registry.publish(registry.wanted())
    assert [each.reference for each in registry.catalogue.values()] == ["tiny@2"]
