"""What saved files say of themselves: written and read in every format, with the pixels and sounds as they were."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from fake_pool import audio_manifest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.config import Media
from service.client.containers import container_of
from service.client.errors import SampleFileError
from service.client.metadata import embed, extract, json_schema, read_sample, read_samples
from service.client.samples import Output, Sample
from service.encode import encode

FORMATS = ("png", "webp", "jpeg", "wav", "flac", "ogg", "npy")
SAMPLE = Sample(
    model="tiny",
    version="v1",
    seed=2**53 - 1,
    index=3,
    label='a "bøx" <&> 箱',
    codes=(5, 0, 511),
    codes_total=16,
    temperature=0.9,
    top_k=40,
    scale=8,
    expected_quality=0.75,
    stop_reason="deadline",
)
LONG = msgspec.structs.replace(SAMPLE, codes=tuple(range(100, 1100)), codes_total=1000)


def file_of(file_format: str, *, colour: bool = True, length: int = 3000) -> bytes:
    """What a server sends."""
    random = np.random.default_rng(0)
    if file_format in ("wav", "flac", "ogg"):
        media = audio_manifest().media.model_copy(update={"shape": (2 if colour else 1, length)})
        return encode(media, random.uniform(-1, 1, media.shape).astype(np.float32), file_format)
    shape = (3 if colour else 1, 5, 7)
    media = Media(type="image", shape=shape)
    return encode(media, random.uniform(0, 1, shape).astype(np.float32), file_format, 1 if file_format == "npy" else 3)


def content(data: bytes, file_format: str) -> Any:
    """The pixels or sounds, by programs that know nothing of us."""
    if file_format == "npy":
        return np.load(io.BytesIO(data), allow_pickle=False)
    if file_format in ("wav", "flac", "ogg"):
        sound, rate = soundfile.read(io.BytesIO(data))
        assert rate == audio_manifest().media.sample_rate
        return sound
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("samples", [(SAMPLE,), (LONG,), (SAMPLE, LONG)])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_written_is_read_again_and_changes_no_pixel(
    file_format: str, colour: bool, samples: tuple[Sample, ...]
) -> None:
    data = file_of(file_format, colour=colour)
    with pytest.raises(SampleFileError, match="holds no codes"):
        extract(data)
    written = embed(data, samples)
    assert extract(written) == samples
    assert np.array_equal(content(written, file_format), content(data, file_format))
    again = embed(written, (SAMPLE,))
    assert extract(again) == (SAMPLE,)
    assert again == embed(data, (SAMPLE,))


@pytest.mark.parametrize("length", [80, 3_000, 400_000])
def test_ogg_of_any_length_stays_one_whole_stream(length: int) -> None:
    """One whose header fills several pages, too."""
    data = file_of("ogg", length=length)
    huge = msgspec.structs.replace(SAMPLE, codes=(123,) * 50_000, codes_total=50_000)
    for samples in ((SAMPLE,), (huge,)):
        written = embed(data, samples)
        assert extract(written) == samples
        assert np.array_equal(content(written, "ogg"), content(data, "ogg"))


def test_other_programs_find_it_too() -> None:
    """Where the documentation says that it is."""

    def facts(text: str | bytes) -> Any:
        return json.loads(text)["samples"][0]["codes"]

    with Image.open(io.BytesIO(embed(file_of("png"), (SAMPLE,)))) as picture:
        assert facts(picture.text["anytime"]) == [5, 0, 511]  # type: ignore[attr-defined]
    for file_format in ("webp", "jpeg"):
        with Image.open(io.BytesIO(embed(file_of(file_format), (SAMPLE,)))) as picture:
            assert b'anytime:samples="{&quot;anytime&quot;:1' in picture.info["xmp"]
    with soundfile.SoundFile(io.BytesIO(embed(file_of("wav"), (SAMPLE,)))) as sound:
        assert facts(sound.comment) == [5, 0, 511]
    for file_format in ("flac", "ogg"):
        assert b'ANYTIME={"anytime":1' in embed(file_of(file_format), (SAMPLE,))
    file = io.BytesIO(embed(file_of("npy"), (SAMPLE,)))
    np.load(file)
    assert facts(np.load(file).tobytes()) == [5, 0, 511]


@pytest.mark.parametrize("file_format", ["png", "webp", "jpeg"])
def test_pictures_of_other_programs(file_format: str) -> None:
    """With transparency, in lossy WebP, and with the packet written anew as an element."""
    mode = "RGB" if file_format == "jpeg" else "RGBA"
    pixels = np.random.default_rng(0).integers(0, 256, (9, 5, len(mode)), dtype=np.uint8)
    for options in ({}, {"lossless": True}) if file_format == "webp" else ({},):
        buffer = io.BytesIO()
        Image.fromarray(pixels, mode).save(buffer, file_format, **options)
        data = buffer.getvalue()
        assert extract(embed(data, (SAMPLE,))) == (SAMPLE,)
        assert np.array_equal(content(embed(data, (SAMPLE,)), file_format), content(data, file_format))
    if file_format == "jpeg":
        written = embed(data, (SAMPLE,))
        anew = written.replace(b'anytime:samples="', b"anytime:samples='").replace(b'"/></rdf:RDF', b"'/></rdf:RDF")
        assert anew != written
        assert extract(anew) == (SAMPLE,)


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    for name, data, says in (
        ("a.txt", b"hello", "is no PNG, WebP, JPEG, WAV, FLAC, Ogg or NumPy file"),
        ("b.png", b"", "is no PNG"),
        ("c.png", file_of("png"), "holds no codes: it was not made by anytime"),
        ("d.png", embed(file_of("png"), (SAMPLE,))[:-20], "is damaged"),
        ("e.gif", b"GIF89a", "is no PNG"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SampleFileError, match=f"{name} {says}"):
            read_samples(tmp_path / name)
    with pytest.raises(SampleFileError, match=r"cannot read .*nowhere\.png: no such file or directory"):
        read_samples(tmp_path / "nowhere.png")
    with pytest.raises(SampleFileError, match="in no format"):
        embed(b"hello", (SAMPLE,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"anytime": 2, "samples": [{"new": 1}]}', "is of version 2 of this format, newer than the 1"),
        ('{"anytime": 1, "samples": []}', "holds codes that make no sense"),
        ('{"anytime": 1, "samples": [{"model": "m"}]}', "make no sense: .*missing required field"),
        ("not JSON", "make no sense"),
        ('{"anytime": 1, "samples": [{"model": "m", "seed": 1, "codes": [-1], "codes_total": 4}]}', "make no sense"),
    ],
)
def test_texts_that_make_no_sense(text: str, says: str) -> None:
    data = file_of("png")
    module = container_of(data)
    assert module is not None
    with pytest.raises(SampleFileError, match=says):
        extract(module.put(data, text))


def test_one_of_several(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    shorter, longer = SAMPLE, msgspec.structs.replace(SAMPLE, codes=(5, 0, 511, 2))
    file.write_bytes(embed(file_of("png"), (shorter, longer)))
    assert read_sample(file) == longer  # the other is a prefix of it
    assert read_sample(file, 0) == shorter
    with pytest.raises(SampleFileError, match="holds 2 samples, from 0 to 1; there is no 2"):
        read_sample(file, 2)
    file.write_bytes(embed(file_of("png"), (SAMPLE, LONG)))
    with pytest.raises(SampleFileError, match="holds 2 samples; pick one, from 0 to 1"):
        read_sample(file)


def test_an_output_is_saved_with_its_facts_under_a_name_of_its_format(tmp_path: Path) -> None:
    facts = {name: getattr(SAMPLE, name) for name in Sample.__struct_fields__}
    for media_type, name in (("image/png", "x.PNG"), ("image/jpeg", "x.jpg"), ("application/x-npy", "x.npy")):
        data = file_of(media_type.rpartition("/")[2].removeprefix("x-"))
        output = Output(**facts, media_type=media_type, data=data)
        assert output.save(tmp_path / name) == tmp_path / name
        assert read_sample(tmp_path / name) == output.facts() == SAMPLE
    assert np.array_equal(output.array(), content(data, "npy"))
    for name in ("x.png", "x", "x.gif"):
        with pytest.raises(SampleFileError, match=r"application/x-npy, whose files end in \.npy"):
            output.save(tmp_path / name)
    picture = Output(**facts, media_type="image/png", data=file_of("png")).image()
    assert picture.size == (21, 15)


def test_the_schema_is_what_is_written() -> None:
    schema = json_schema()
    sample = schema["$defs"]["Sample"]
    assert schema["$defs"]["Samples"]["required"] == ["anytime", "samples"]
    assert set(sample["properties"]) == set(Sample.__struct_fields__)
    assert set(sample["required"]) == {"model", "seed", "codes", "codes_total", "expected_quality"}


@given(st.sampled_from(FORMATS), st.data())
def test_damage_is_said_and_never_more(file_format: str, draw: st.DataObject) -> None:
    """Bytes changed, taken out, or cut off at the end."""
    data = bytearray(embed(file_of(file_format), (SAMPLE,)))
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, len(data) - 1))
        match draw.draw(st.sampled_from(["change", "remove", "cut"])):
            case "change":
                data[place] = draw.draw(st.integers(0, 255))
            case "remove":
                del data[place : place + draw.draw(st.integers(1, 9))]
            case "cut":
                del data[place:]
        if not data:
            break
    try:
        found = extract(bytes(data))
    except SampleFileError:
        return
    assert all(isinstance(each, Sample) for each in found)
