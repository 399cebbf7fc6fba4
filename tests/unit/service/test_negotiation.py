"""Which representation a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import Media
from service.api.negotiation import EVENTS, choose, parse_accept
from service.api.problems import NotAcceptable
from service.encode import MEDIA_TYPES, formats_of
from service.errors import InvalidField

IMAGE = Media(type="image", shape=(1, 4, 4))
AUDIO = Media(type="audio", shape=(1, 160), sample_rate=16_000)
BROWSER_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
BROWSER_AUDIO = "audio/webm,audio/ogg,audio/wav,audio/*;q=0.9,application/ogg;q=0.7,video/*;q=0.6,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "body_format", "chosen"),
    [
        (None, "webp", None),
        ("", "png", None),
        ("*/*", "png", None),
        ("application/*", "png", None),
        ("application/json", "webp", None),
        ("image/png", "webp", "png"),
        ("IMAGE/PNG", "webp", "png"),
        ("image/*", "webp", "webp"),
        ("image/*", "npy", "png"),
        ("application/x-npy", "png", "npy"),
        ("image/jpeg, */*", "png", "jpeg"),
        ("image/jpeg;q=0.4, image/webp;q=0.5", "png", "webp"),
        ("image/png, image/webp", "webp", "webp"),
        ("image/png;q=0.9, application/json", "png", None),
        ("image/png;q=0.9, application/json;q=0.8", "png", "png"),
        ("image/*;q=0.5, image/png;q=0", "png", "webp"),
        ("image/png;level=1;q=0.2, application/json;q=0.1", "png", "png"),
        ("nonsense, image/png", "webp", "png"),
        ("image/png;q=2, */*;q=0.1", "webp", None),
        (BROWSER_IMAGE, "png", "webp"),
        ("image/*", None, "png"),
        ("application/x-npy, image/*", None, "npy"),
        ("audio/wav, image/*;q=0.1", None, "png"),
        ("audio/*, */*;q=0.1", None, None),
    ],
)
def test_choice_for_images(accept: str | None, body_format: str | None, chosen: str | None) -> None:
    assert choose(accept, IMAGE, body_format, 1) == chosen


@pytest.mark.parametrize(
    ("accept", "body_format", "chosen"),
    [
        (None, "flac", None),
        ("*/*", "flac", None),
        ("application/json", "ogg", None),
        ("audio/wav", None, "wav"),
        ("audio/wav", "flac", "wav"),
        ("audio/x-wav", "flac", "wav"),
        ("Audio/X-WAV;q=0.2", None, "wav"),
        ("audio/vnd.wave", None, "wav"),
        ("audio/x-wav;q=0.2, audio/ogg;q=0.1", None, "wav"),
        ("audio/x-wav;q=0.1, audio/ogg;q=0.2", None, "ogg"),
        ("audio/flac", "wav", "flac"),
        ("audio/*", None, "wav"),
        ("audio/*", "ogg", "ogg"),
        ("audio/*", "npy", "wav"),
        ("audio/*;q=0.5, audio/wav;q=0", None, "flac"),
        ("application/x-npy", "ogg", "npy"),
        ("image/png, audio/ogg;q=0.1", None, "ogg"),
        ("image/*, */*;q=0.1", "ogg", None),
        (BROWSER_AUDIO, None, "wav"),
        (BROWSER_AUDIO, "ogg", "ogg"),
    ],
)
def test_choice_for_audio(accept: str | None, body_format: str | None, chosen: str | None) -> None:
    assert choose(accept, AUDIO, body_format, 1) == chosen


NOBODYS = ["text/html", "image/gif", "audio/mpeg", "*/*;q=0", "nonsense", ";;,"]


@pytest.mark.parametrize("accept", [*NOBODYS, "image/png;q=0", "image/png;q=x", "audio/wav", "audio/*"])
def test_nothing_acceptable_of_images(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="json, image/png, image/webp, image/jpeg, application/x-npy,"):
        choose(accept, IMAGE, None, 1)


@pytest.mark.parametrize("accept", [*NOBODYS, "audio/wav;q=0", "audio/wav;q=x", "image/png", "image/*"])
def test_nothing_acceptable_of_audio(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="json, audio/wav, audio/flac, audio/ogg, application/x-npy,"):
        choose(accept, AUDIO, None, 1)


@pytest.mark.parametrize(("media", "bare"), [(IMAGE, "image/png"), (AUDIO, "audio/ogg")])
def test_several_samples_fit_only_into_json(media: Media, bare: str) -> None:
    assert choose(f"{bare}, application/json;q=0.1", media, None, 2) is None
    with pytest.raises(InvalidField, match="n: must be 1"):
        choose(bare, media, None, 2)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("text/event-stream", EVENTS),
        ("text/event-stream, */*;q=0.1", EVENTS),
        ("text/*", EVENTS),
        ("application/json, text/event-stream", None),
        ("application/json;q=0.5, text/event-stream", EVENTS),
        ("image/png;q=0.5, text/event-stream", EVENTS),
        ("*/*", None),
        ("text/event-stream;q=0, */*", None),
    ],
)
@pytest.mark.parametrize("samples", [1, 2])
def test_events_are_for_those_who_ask_for_them(accept: str, chosen: str | None, samples: int) -> None:
    assert choose(accept, IMAGE, None, samples, events=True) == chosen


def test_events_are_for_requests_that_have_them() -> None:
    assert choose("text/event-stream, image/png;q=0.1", IMAGE, None, 1) == "png"
    with pytest.raises(NotAcceptable, match="application/x-npy, which"):
        choose("text/event-stream", IMAGE, None, 1)
    with pytest.raises(NotAcceptable, match="application/x-npy, text/event-stream, which"):
        choose("text/html", IMAGE, None, 1, events=True)


@given(st.text(max_size=60))
def test_any_header_parses(header: str) -> None:
    assert all(0 <= each.weight <= 1 for each in parse_accept(header))


@given(
    media=st.sampled_from([IMAGE, AUDIO]),
    weights=st.dictionaries(
        st.sampled_from([*MEDIA_TYPES.values(), "application/json", EVENTS]), st.integers(1, 1000), min_size=1
    ),
    body_format=st.sampled_from([None, *MEDIA_TYPES]),
)
def test_the_highest_weight_of_what_the_media_has_wins(
    media: Media, weights: dict[str, int], body_format: str | None
) -> None:
    header = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items())
    own = {"application/json", EVENTS, *(MEDIA_TYPES[name] for name in formats_of(media))}
    possible = [weight for name, weight in weights.items() if name in own]
    if possible:
        chosen = choose(header, media, body_format, 1, events=True)
        assert weights["application/json" if chosen is None else MEDIA_TYPES.get(chosen, chosen)] == max(possible)
    else:
        with pytest.raises(NotAcceptable):
            choose(header, media, body_format, 1, events=True)
