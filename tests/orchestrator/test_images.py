"""Images and latents are values: sound, equal where their contents are, and the same after a journey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ponder.orchestrator.canonical import canonical_json, digest
from ponder.orchestrator.denoising import Denoised, Flow, Passage
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image, Latent, stacked
from ponder.orchestrator.types import Usage

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=4)
TIMES = st.floats(0, 1, allow_nan=False)
COUNTS = st.integers(0, 10**12)


@st.composite
def latents(draw: st.DrawFn) -> Latent:
    shape = draw(SHAPES)
    values = [draw(arrays.arrays(np.float32, shape)) for _ in range(2)]
    return Latent.of(values[0], draw(TIMES), draw(st.sampled_from([None, values[1]])))


@st.composite
def images(draw: st.DrawFn) -> Image:
    size = st.integers(1, 5)
    shape = draw(st.tuples(size, size, st.sampled_from([1, 3])))
    return Image.of(draw(arrays.arrays(np.uint8, shape)))


@given(st.none() | latents(), st.none() | images(), st.builds(Usage, COUNTS, COUNTS, nfe=COUNTS), st.text())
def test_a_record_is_read_as_it_was_written(latent, image, usage: Usage, lost: str) -> None:
    """Whatever is there and whatever is not, to the bit: NaN, minus zero, and line ends among the bytes."""
    done = Denoised(latent, image, usage, lost)
    again = Denoised.from_bytes(done.to_bytes())
    assert again == done
    assert again.to_bytes() == done.to_bytes()


@given(latents())
def test_an_array_goes_through_a_latent_unchanged(latent: Latent) -> None:
    again = Latent.of(latent.array, latent.t, latent.slope if latent.velocity else None)
    assert again == latent
    assert hash(again) == hash(latent)
    assert (latent.array.shape, latent.array.dtype) == (latent.shape, np.float32)


@given(images())
def test_an_array_goes_through_an_image_unchanged(image: Image) -> None:
    assert Image.of(image.array) == image
    assert image.array.shape == (image.height, image.width, image.channels)
    assert digest(image) == digest(Image.of(image.array))


def test_arrays_of_values_cannot_be_written_to() -> None:
    latent = Latent.of(np.zeros((2, 2)), 0.5, np.ones((2, 2)))
    for array in (latent.array, latent.slope, Image(2, 1, 1, b"ab").array):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_rows_and_columns_keep_their_places() -> None:
    """Strided and wider arrays too: what is stored is in C order and float32."""
    whole = np.arange(24.0).reshape(2, 3, 4)
    latent = Latent.of(whole[:, ::2].transpose(2, 0, 1), 1.0)
    assert latent.shape == (4, 2, 2)
    assert latent.array.tolist() == whole[:, ::2].transpose(2, 0, 1).tolist()
    image = Image.of(np.arange(12, dtype=np.uint8).reshape(2, 6, 1)[:, ::2])
    assert (image.width, image.height, image.pixels) == (3, 2, bytes([0, 2, 4, 6, 8, 10]))
    assert stacked([latent, latent]).shape == (2, 4, 2, 2)


@pytest.mark.parametrize(
    ("width", "height", "channels", "pixels"),
    [(2, 2, 1, b"abc"), (2, 2, 1, b"abcde"), (1, 1, 2, b"ab"), (1, 1, 4, b"abcd"), (0, 4, 1, b""), (-1, -1, 1, b"a")],
)
def test_an_image_must_hold_its_pixels(width: int, height: int, channels: int, pixels: bytes) -> None:
    with pytest.raises(UsageError, match=r"must hold width \* height \* channels bytes, of one pixel at least"):
        Image(width, height, channels, pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((2, 2, 1), 0.9),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((2, 2), np.uint8),
        np.zeros((1, 2, 2, 1), "u1"),
    ],
)
def test_an_array_that_is_no_image_is_refused(pixels: np.ndarray) -> None:
    """What lies from 0 to 1 is not cut off to black."""
    told = rf"must be of type uint8 and of shape \[height, width, channels\], got {pixels.dtype} of shape"
    with pytest.raises(UsageError, match=told):
        Image.of(pixels)


def test_pixels_that_are_no_bytes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"pixels must be bytes, got str; use Image\.of"):
        Image(2, 2, 1, "abcd")


def test_a_latent_of_negative_sides_is_refused() -> None:
    with pytest.raises(UsageError, match=r"sides of a latent must be 0 or more, got shape \(-1, -1\)"):
        Latent(0.5, (-1, -1), b"abcd")


@pytest.mark.parametrize(("values", "velocity"), [(b"", b""), (b"1234567", b""), (b"12345678", b"1234")])
def test_a_latent_must_hold_its_values(values: bytes, velocity: bytes) -> None:
    with pytest.raises(UsageError, match=r"of shape \(2,\) must hold 8 bytes"):
        Latent(0.5, (2,), values, velocity)


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_a_latent_must_stand_between_data_and_noise(t: float) -> None:
    with pytest.raises(UsageError, match=r"must lie from 0 \(data\) to 1 \(noise\)"):
        Latent.of(np.zeros(2), t)


def test_a_velocity_that_was_not_asked_for_is_missed() -> None:
    with pytest.raises(UsageError, match="ask with looks=True"):
        _ = Latent.of(np.zeros(2), 0.5).slope


def test_images_and_latents_have_one_spelling() -> None:
    assert canonical_json(Image(1, 1, 1, b"\xff")) == b'{"width":1,"height":1,"channels":1,"pixels":"ff"}'
    assert digest(Latent.of(np.zeros(2), 0.5)) != digest(Latent.of(np.zeros(2), 0.25))
    assert digest(Latent.of(np.zeros(2), 0.5)) != digest(Latent.of(np.array([0.0, -0.0]), 0.5))


@pytest.mark.parametrize(
    ("solver", "times", "looks", "is_known", "evaluations"),
    [
        ("euler", (0.5, 0.0), False, False, 2),
        ("euler", (0.5, 0.0), False, True, 1),
        ("euler", (0.5,), True, False, 2),
        ("euler", (0.5,), True, True, 1),
        ("euler", (), True, False, 1),
        ("euler", (), True, True, 0),
        ("euler", (), False, True, 0),
        ("ddim", (0.5, 0.0), True, False, 2),
        ("heun", (0.5, 0.0), False, False, 3),
        ("heun", (0.5, 0.25), False, False, 4),
        ("own", (0.5, 0.0), False, False, 2),
    ],
)
def test_a_passage_tells_how_often_it_is_evaluated(solver, times, looks, is_known, evaluations: int) -> None:
    latent = Latent.of(np.zeros(2), 1.0, np.zeros(2) if is_known else None)
    assert Passage(latent, Flow(solver=solver), times=times, looks=looks).evaluations == evaluations
