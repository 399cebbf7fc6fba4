"""Versions, aliases and catalogues: laws that hold for all of them."""

from __future__ import annotations

import pytest
from fake_pool import manifest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from service.registry.catalogue import Catalogue, check_aliases
from service.registry.versions import version_key

VERSIONS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True)
NUMBERS = st.lists(st.integers(0, 20), min_size=1, max_size=4)
NAMES = st.sampled_from(["a", "b", "c", "prod", "next"])
FEW = st.sampled_from(["1", "1.0", "2", "2-rc1", "10", "x"])
MODELS = st.sets(st.tuples(NAMES, FEW), max_size=8)
TARGETS = st.one_of(NAMES, st.builds("{}@{}".format, NAMES, FEW))
ALIASES = st.dictionaries(NAMES, TARGETS, max_size=5)


@given(st.lists(VERSIONS))
def test_the_order_is_total_and_by_the_text_alone(versions: list[str]) -> None:
    turned = list(reversed(versions))
    assert sorted(versions, key=version_key) == sorted(turned, key=version_key)
    assert len({version_key(each) for each in versions}) == len(set(versions))


@given(NUMBERS, NUMBERS)
def test_numbers_are_compared_as_numbers(one: list[int], other: list[int]) -> None:
    texts = [".".join(map(str, each)) for each in (one, other)]
    older, newer = Version(texts[0]), Version(texts[1])
    if older != newer:
        assert (version_key(texts[0]) < version_key(texts[1])) == (older < newer)


@given(st.lists(st.builds(
    "{}{}".format,
    st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda each: ".".join(map(str, each))),
    st.sampled_from(["", "a1", "b2", "rc1", "rc2", ".dev3", ".post1", "alpha2", "beta1"]),
), min_size=2, max_size=6))  # fmt: skip
def test_versions_of_python_packages_come_in_their_order(versions: list[str]) -> None:
    ordered = [Version(each) for each in sorted(versions, key=version_key)]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize(
    "ascending",
    [
        ["latest", "1", "1.0.1", "1.2", "1.10", "2-rc1", "2", "2.post1", "10"],
        ["2024-05-01", "2024-05-02", "2024-11-30"],
        ["1.0-dev", "1.0-alpha", "1.0-beta", "1.0-rc.1", "1.0-rc.2", "1.0-rc.10", "1.0-small", "1.0", "1.0-p1"],
        ["v1", "v2", "v10"],
    ],
)
def test_what_people_write_comes_in_the_order_that_they_mean(ascending: list[str]) -> None:
    turned = list(reversed(ascending))
    assert sorted(turned, key=version_key) == ascending


@given(ALIASES)
def test_a_circle_is_found_if_there_is_one(aliases: dict[str, str]) -> None:
    def ends(name: str) -> bool:
        for _ in range(len(aliases) + 1):
            if name not in aliases:
                return True
            name = aliases[name]
        return False

    if all(map(ends, aliases)):
        check_aliases(aliases)
    else:
        with pytest.raises(ValueError, match="in a circle"):
            check_aliases(aliases)


def sane(aliases: dict[str, str]) -> dict[str, str]:
    """Without those that lead round in a circle."""
    kept: dict[str, str] = {}
    for alias, target in aliases.items():
        try:
            check_aliases({**kept, alias: target})
        except ValueError:
            continue
        kept[alias] = target
    return kept


@given(MODELS, ALIASES.map(sane), MODELS, ALIASES.map(sane))
def test_a_catalogue_has_one_model_for_every_name(
    before: set[tuple[str, str]], earlier: dict[str, str], models: set[tuple[str, str]], aliases: dict[str, str]
) -> None:
    first = Catalogue([manifest(name, version=version) for name, version in before], earlier)
    found = Catalogue([manifest(name, version=version) for name, version in models], aliases, first)
    assert {(each.name, each.version) for each in found.values()} == models
    assert len(found) == len(models)
    for label, each in found.items():
        assert found.find(label) is found.find(each.reference) is each
        assert found.find(each.name, each.version) is each
        assert found.find(each.reference, each.version) is each
        assert found.label(each.identity) == label
        assert label == (each.name if found.is_default(each) else each.reference)
    for name in {name for name, _ in models}:
        defaults = [each for each in found.values() if each.name == name and found.is_default(each)]
        assert defaults == [each for each in [found.find(name)] if each is not None and each.name == name]
        if name not in aliases:
            versions = [version for other, version in models if other == name]
            default = found.find(name)
            assert default is not None
            assert default.version == max(versions, key=version_key)
    for alias, reference in found.aliases.items():
        meant = found.find(alias)
        assert meant is not None
        assert meant.reference == reference
    for alias, target in aliases.items():
        if tuple(target.split("@")) in models:  # what is there is meant, whatever was before
            assert found.aliases[alias] == target
