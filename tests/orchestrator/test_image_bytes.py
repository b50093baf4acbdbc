"""Images of others are read within bounds, and nothing is fetched."""

import contextlib
import io
import struct
import zlib
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image as Pillow
from unfetched import UNFETCHED

from ponder.orchestrator.bare_files import JPEG, MOST_PARTS, SCAN, bare
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.image_bytes import MOST_PIXELS, data_url, fitted, image_at, image_of
from ponder.orchestrator.images import Image
from ponder.orchestrator.png import SIGNATURE, png
from ponder.orchestrator.types import Message, Query

RED = (255, 0, 0)


def saved(picture: Pillow.Image, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def colours(size: tuple[int, int] = (7, 5)) -> Pillow.Image:
    random = np.random.default_rng(0)
    return Pillow.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def claiming(width: int, height: int) -> bytes:
    """A PNG file that says it is large, of a few bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b"\0" * 100), b"IEND")
    parts = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    return SIGNATURE + b"".join(parts)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_file_is_read_as_it_was_written(channels: int) -> None:
    image = Image.of(np.asarray(colours())[:, :, :channels].copy())
    assert image_of(png(image)) == image
    assert image_at(data_url(image)) == image
    assert image_at(data_url(image).replace("image/png", "IMAGE/JPG", 1)) == image


def test_each_kind_of_pixel_becomes_grey_or_colours() -> None:
    red = Pillow.new("RGB", (2, 1), RED)
    half = Pillow.new("RGBA", (2, 1), (0, 0, 0, 0))
    half.putpixel((0, 0), (*RED, 255))
    assert image_of(saved(red.convert("P"))) == Image(2, 1, 3, bytes((*RED, *RED)))
    assert image_of(saved(half)) == Image(2, 1, 3, bytes((*RED, 255, 255, 255)))
    assert image_of(saved(Pillow.new("1", (2, 1), 1))) == Image(2, 1, 3, b"\xff" * 6)
    assert image_of(saved(Pillow.new("L", (2, 1), 9))) == Image(2, 1, 1, b"\x09\x09")
    assert image_of(saved(red, "JPEG", quality=100)).array.reshape(2, 3).tolist() == [[254, 0, 0]] * 2


def test_a_photograph_stands_upright_as_its_camera_says() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned = image_of(saved(colours((7, 5)), "JPEG", exif=exif))
    assert (turned.width, turned.height) == (5, 7)


def test_an_image_fits_where_less_is_enough() -> None:
    wide = image_of(saved(colours((60, 20))))
    small = fitted(wide, 12)
    assert (small.width, small.height, small.channels) == (12, 4, 3)
    assert fitted(wide, 60) is wide
    assert fitted(Image(4, 2, 1, b"\x09" * 8), 2) == Image(2, 1, 1, b"\x09\x09")


@pytest.mark.parametrize("size", [(MOST_PIXELS + 1, 1), (2049, 2048), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_read(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=rf"at most {MOST_PIXELS} pixels|cannot be read"):
        image_of(claiming(*size))


def test_a_jpeg_file_of_many_scans_is_refused() -> None:
    progressive = saved(colours(), "JPEG", progressive=True)
    assert progressive.startswith(JPEG) and 3 < progressive.count(SCAN) < 32
    assert image_of(progressive).width == 7
    with pytest.raises(UsageError, match="at most 32 scans"):
        image_of(progressive.replace(SCAN, SCAN * 9))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_what_nobody_sees_is_not_read() -> None:
    plain, (head, rest) = saved(colours()), (saved(colours())[:33], saved(colours())[33:])
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 1000)) + chunk(b"tEXt", b"a\0b")
    assert bare(head + profile * 100 + rest) == plain == bare(plain)
    photo = saved(colours(), "JPEG")
    apart = photo.index(b"\xff\xdb")
    comment, preview = b"\xff\xfe\x00\x04hi", b"\xff\xe2\x00\x06ICC_"
    assert bare(photo[:apart] + (comment + preview) * 100 + photo[apart:]) == photo == bare(photo)
    for many in (head + profile * MOST_PARTS + rest, photo[:apart] + comment * MOST_PARTS + photo[apart:]):
        with pytest.raises(UsageError, match=f"at most {MOST_PARTS} parts"):
            image_of(many)


@pytest.mark.parametrize("data", [b"", b"\x89PNG", saved(colours())[:-30], saved(colours(), "JPEG")[:200], b"GIF89a"])
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="must be a whole PNG or JPEG file"):
        image_of(data)
    with pytest.raises(UsageError, match="must be a whole PNG or JPEG file"):
        image_at("data:image/png;base64," + b64encode(data).decode())


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_kinds_of_files_are_not_read(kind: str) -> None:
    with pytest.raises(UsageError, match="must be a whole PNG or JPEG file"):
        image_of(saved(colours(), kind))


def test_no_byte_of_a_file_breaks_it() -> None:
    whole, random = saved(colours((40, 30))), np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(whole)
        for at in random.integers(0, len(data), 3):
            data[at] = random.integers(256)
        with contextlib.suppress(UsageError):
            image_of(bytes(data))


def test_no_address_is_followed() -> None:
    assert len(UNFETCHED) == len(set(UNFETCHED)) >= 75
    for url in UNFETCHED:
        with pytest.raises(UsageError, match=r"addresses are not followed|must be base64"):
            image_at(url)


def test_a_query_with_images_is_small_to_show_and_whole_to_save() -> None:
    image = Image.of(np.zeros((64, 64, 3), np.uint8))
    query = Query(id="q", messages=(Message(role="user", content="What is it?"),), images=(image,))
    assert "\\x00" not in repr(query) and len(repr(query)) < 250
    assert Query.model_validate_json(query.model_dump_json()) == query
    assert "images" not in Query.ask("What is it?").model_dump(mode="json")
