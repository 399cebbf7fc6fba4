"""Packed codes: what comes out is what went in, in as few bytes as promised, and nothing else is taken for them."""

from __future__ import annotations

import pytest
from factories import tiny_manifest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.manifest import AUTOENCODER, FileEntry, Manifest
from models.packed import PackedError, code_bits, most_codes, pack, packed_bytes, unpack

HEADER = 4  # bytes, for fewer than 128 codes


def manifest(codes: int, codebook: int, **fields: object) -> Manifest:
    tiny = tiny_manifest(codes=codes)
    return tiny.model_copy(
        update={"autoencoder": tiny.autoencoder.model_copy(update={"codebook": codebook, "codes": codes}), **fields}
    )


@st.composite
def models_and_codes(draw: st.DrawFn) -> tuple[Manifest, list[int]]:
    total, codebook = draw(st.integers(1, 300)), draw(st.integers(2, 5000))
    return manifest(total, codebook), draw(st.lists(st.integers(0, codebook - 1), max_size=total))


@given(models_and_codes())
def test_a_round_trip(case: tuple[Manifest, list[int]]) -> None:
    model, codes = case
    data = pack(codes, model)
    assert unpack(data, model) == codes
    assert len(data) == packed_bytes(len(codes), model)
    bits = (len(data) - HEADER - (len(codes) >= 128)) * 8
    assert 0 <= bits - code_bits(model) * len(codes) < 8


@given(models_and_codes(), st.integers(0, 2000))
def test_every_budget_is_kept_and_used(case: tuple[Manifest, list[int]], budget: int) -> None:
    model, codes = case
    count = most_codes(budget, model)
    assert 0 <= count <= model.codes
    assert count == 0 or packed_bytes(count, model) <= budget
    assert count == model.codes or packed_bytes(count + 1, model) > budget
    assert len(pack(codes[:count], model)) <= max(budget, HEADER)


@given(models_and_codes(), st.data())
def test_what_is_cut_short_or_goes_on_is_refused(case: tuple[Manifest, list[int]], data: st.DataObject) -> None:
    model, codes = case
    whole = pack(codes, model)
    for broken in (whole[: data.draw(st.integers(0, len(whole) - 1))], whole + data.draw(st.binary(min_size=1))):
        with pytest.raises(PackedError):
            unpack(broken, model)


@given(models_and_codes(), st.binary(max_size=40))
def test_bytes_are_codes_only_if_those_codes_make_these_bytes(case: tuple[Manifest, list[int]], noise: bytes) -> None:
    """With the model's own header before them, so that it is not that by which they are told."""
    model, codes = case
    data = pack(codes, model)[:3] + noise
    try:
        found = unpack(data, model)
    except PackedError:
        return
    assert pack(found, model) == data


@pytest.mark.parametrize(
    "other",
    [
        manifest(6, 100, name="another"),
        manifest(6, 100, version="2"),
        manifest(6, 100, files={AUTOENCODER: FileEntry(bytes=1, sha256="0" * 64)}),
    ],
    ids=["name", "version", "weights"],
)
def test_another_model_is_told_by_its_name_version_and_weights(other: Manifest) -> None:
    with pytest.raises(PackedError, match="are not of the model"):
        unpack(pack([1, 2], manifest(6, 100)), other)


def test_the_layout_is_as_documented() -> None:
    model = manifest(6, 126)
    data = pack([1, 125, 64], model)
    assert data[0] == 0xA7
    assert data[3] == 3
    assert f"{int.from_bytes(data[4:], 'big'):024b}" == "0000001" + "1111101" + "1000000" + "000"
