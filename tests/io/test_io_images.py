import io
import math
import os
import struct
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from lapdepth.errors import InputError, ReadError
from lapdepth.io.images import FORMATS, from_pil, read_image

H, W = 12, 20


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def with_exif(main, sub=None):
    exif = Image.Exif()
    for tag, value in main.items():
        exif[tag] = value
    for tag, value in (sub or {}).items():
        exif.get_ifd(0x8769)[tag] = value
    return exif


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


# --- what can be read


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp"])
def test_lossless_formats(tmp_path, rgb, suffix):
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(rgb), **({"lossless": True} if suffix == "webp" else {}))
    picture = read_image(path)
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.flags.c_contiguous
    np.testing.assert_array_equal(picture.rgb, rgb)
    assert (picture.path, picture.focal_px) == (path, None)


def test_jpeg_with_a_wrong_suffix(tmp_path):
    flat = Image.new("RGB", (W, H), (200, 50, 100))
    picture = read_image(saved(tmp_path / "a.png", flat, format="JPEG", quality=95))
    assert np.abs(picture.rgb.astype(int) - (200, 50, 100)).max() <= 3


def test_name_with_spaces_and_letters(tmp_path, rgb):
    assert read_image(saved(tmp_path / "深度 ü.png", Image.fromarray(rgb))).rgb.shape == (H, W, 3)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204)),  # 0.2 * red + 0.8 * white
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 257 * 100, (100, 100, 100)),
        ("I;16", 257 * 100 + 128, (100, 100, 100)),
        ("I;16", 257 * 100 + 129, (101, 101, 101)),
    ],
)
def test_modes_through_png(tmp_path, mode, color, expected):
    picture = read_image(saved(tmp_path / "a.png", Image.new(mode, (W, H), color)))
    assert np.unique(picture.rgb.reshape(-1, 3), axis=0).tolist() == [list(expected)]


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (W, H), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.putpixel((0, 0), 0)
    picture = read_image(saved(tmp_path / "a.png", image, transparency=0))
    assert picture.rgb[0, 0].tolist() == [255, 255, 255]
    assert picture.rgb[5, 5].tolist() == [9, 8, 7]


def test_rgb_with_one_transparent_colour(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (W, H), (1, 2, 3)), transparency=(1, 2, 3))
    assert (read_image(path).rgb == 255).all()


def test_cmyk_jpeg(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (W, H), (255, 0, 0, 0)), quality=95)
    assert np.abs(read_image(path).rgb.astype(int) - (0, 255, 255)).max() <= 4  # cyan ink


def write_grey_tiff(path, order, data, bits=16, photometric=1):
    tags = [
        (256, W),
        (257, H),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 8 + 2 + 8 * 12 + 4),
        (278, H),
        (279, len(data)),
    ]
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value)
        if tag not in (258, 259, 262)
        else struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        for tag, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + data)
    return path


@pytest.mark.parametrize(("order", "photometric", "code"), [("<", 1, 257 * 40), (">", 1, 257 * 40), ("<", 0, 65535 - 257 * 40)])
def test_16_bit_grey_tiff_of_either_byte_order_and_either_white(tmp_path, order, photometric, code):
    values = np.full((H, W), code, f"{order}u2")
    path = write_grey_tiff(tmp_path / "a.tif", order, values.tobytes(), photometric=photometric)
    assert (read_image(path).rgb == 40).all()


@pytest.mark.parametrize(("code", "level"), [(4095, 255), (0, 0), (1606, 100)])
def test_12_bit_grey_tiff(tmp_path, code, level):
    two = bytes([code >> 4, (code & 15) << 4 | code >> 8, code & 255])
    path = write_grey_tiff(tmp_path / "a.tif", "<", two * (H * W // 2), bits=12)
    assert (read_image(path).rgb == level).all()


def test_a_float_picture_of_zeros_and_ones_is_no_picture_of_codes(tmp_path):
    values = np.zeros((H, W), np.float32)
    values[: H // 2] = 1
    with pytest.raises(InputError, match=r"float32 values from 0 to 1; expected 8 or 16 bits"):
        read_image(saved(tmp_path / "a.tif", Image.fromarray(values)))


def test_16_bit_pgm(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5\n%d %d\n65535\n" % (W, H) + np.full((H, W), 257 * 40, ">u2").tobytes())
    assert (read_image(tmp_path / "a.pgm").rgb == 40).all()


def test_16_bit_rgb_png(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((H, W, 3), (257 * 3, 257 * 2, 257), np.uint16))
    assert (read_image(tmp_path / "a.png").rgb == (1, 2, 3)).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_in_16_bit_range(tmp_path, mode):
    assert (read_image(saved(tmp_path / "a.tif", Image.new(mode, (W, H), 257 * 9))).rgb == 9).all()


@pytest.mark.parametrize(("mode", "value"), [("I", 65536), ("I", -1), ("F", 0.5), ("F", 1e6), ("F", float("nan"))])
def test_32_bit_beyond_16_bits(tmp_path, mode, value):
    path = saved(tmp_path / "a.tif", Image.new(mode, (W, H), value))
    with pytest.raises(InputError, match=r"a\.tif holds .* expected 8 or 16 bits"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_several(tmp_path, suffix):
    frames = [Image.new("RGB", (W, H), color) for color in ((255, 0, 0), (0, 255, 0))]
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert (read_image(path).rgb == (255, 0, 0)).all()


def test_mpo_of_a_phone(tmp_path):
    frames = [Image.new("RGB", (W, H), color) for color in ("white", "black")]
    path = saved(tmp_path / "a.jpg", frames[0], format="MPO", save_all=True, append_images=frames[1:])
    assert (read_image(path).rgb == 255).all()


def test_threads_share_the_warning_filters_safely(tmp_path, rgb):
    from concurrent.futures import ThreadPoolExecutor

    path = saved(tmp_path / "a.tif", Image.fromarray(rgb))
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for picture in pool.map(read_image, [path] * 40):
            np.testing.assert_array_equal(picture.rgb, rgb)
    assert list(warnings.filters) == before


# --- EXIF


ORIENT = {  # by the drawings of the EXIF standard: where the stored row 0 and column 0 are in the scene
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("how", ORIENT)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation(tmp_path, rgb, how, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(rgb), exif=with_exif({0x0112: how}), **options)
    np.testing.assert_array_equal(read_image(path).rgb, ORIENT[how](rgb))


@pytest.mark.parametrize("how", ORIENT)
def test_orientation_agrees_with_pillow_on_jpeg(tmp_path, rgb, how):
    from PIL import ImageOps

    path = saved(tmp_path / "a.jpg", Image.fromarray(rgb), exif=with_exif({0x0112: how}))
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(path).rgb, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("how", [0, 9, 65535])
def test_nonsense_orientation_is_ignored(tmp_path, rgb, how):
    path = saved(tmp_path / "a.png", Image.fromarray(rgb), exif=with_exif({0x0112: how}))
    np.testing.assert_array_equal(read_image(path).rgb, rgb)


def focal(tmp_path, sub, size=(400, 300), how=1):
    image = Image.new("RGB", size)
    return read_image(saved(tmp_path / "a.jpg", image, exif=with_exif({0x0112: how}, sub))).focal_px


def test_focal_from_film_equivalent(tmp_path):
    # 400 x 300 has a diagonal of 500 px; 28 mm on film with 43.2666 mm: 28 / 43.2666 * 500.
    assert focal(tmp_path, {0xA405: 28}) == pytest.approx(323.575, abs=0.001)
    assert focal(tmp_path, {0xA405: 28}, how=6) == pytest.approx(323.575, abs=0.001)


PLANE = {0x920A: IFDRational(4, 1), 0xA20E: IFDRational(1000, 1), 0xA20F: IFDRational(1000, 1), 0xA210: 3}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # 1000 px/cm = 100 px/mm; 4 mm = 400 px at 4000 x 3000 would be a tenth at 400 x 300.
        ({0xA002: 4000, 0xA003: 3000}, 40.0),
        ({0xA002: 400, 0xA003: 300}, 400.0),
        ({0xA002: 300, 0xA003: 400}, 400.0),
        ({0xA002: 800, 0xA003: 600, 0xA210: 2}, 4 * 1000 / 25.4 / 2),
        ({0xA002: 800, 0xA003: 600, 0xA210: 4}, 2000.0),
        ({0xA002: 800, 0xA003: 600, 0xA210: 5, 0xA20E: 0.1, 0xA20F: 0.1}, 200.0),
        ({0xA002: 800, 0xA003: 600, 0xA20E: 1000, 0xA20F: 1210}, 220.0),  # geometric mean 1100
        ({0xA002: 400, 0xA003: 300, 0xA405: 28}, 323.575),  # film first
        ({0xA002: 400, 0xA003: 300, 0xA405: 0}, 400.0),
        ({0xA002: 400, 0xA003: 200}, None),  # cropped
        ({}, None),
        ({0xA002: 400, 0xA003: 300, 0xA210: 1}, None),
        ({0xA002: 0, 0xA003: 0}, None),
        ({0xA002: 400, 0xA003: 300, 0x920A: IFDRational(0, 0)}, None),
        ({0xA002: 400, 0xA003: 300, 0x920A: IFDRational(1, 0)}, None),
        ({0xA002: 400, 0xA003: 300, 0x920A: IFDRational(0, 1)}, None),
    ],
)
def test_focal_from_focal_plane(tmp_path, change, expected):
    assert focal(tmp_path, PLANE | change) == (None if expected is None else pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize("film", [0, 3, 2000])  # 3 mm: 35 px under 0.1 * 400; 2000 mm: 23112 px over 50 * 400
def test_nonsense_focal(tmp_path, film):
    assert focal(tmp_path, {0xA405: film}) is None


def test_damaged_exif_is_ignored_silently(tmp_path, rgb):
    for junk in (b"Exif\0\0junk", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20)):
        path = saved(tmp_path / "a.jpg", Image.fromarray(rgb), exif=junk)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            picture = read_image(path)
        assert (picture.rgb.shape, picture.focal_px, seen) == ((H, W, 3), None, [])


# --- what is refused


def refused(path, match, kind=ReadError):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(kind, match=match) as caught:
            read_image(path)
    assert seen == []
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("size", [(20_000, 10_000), (12_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_by_its_header(tmp_path, monkeypatch, size):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    (tmp_path / "bomb.png").write_bytes(png_header(*size))
    limit = Image.MAX_IMAGE_PIXELS
    refused(tmp_path / "bomb.png", "expected at most 100,000,000 pixels")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_bomb_warning_does_not_leak(tmp_path, monkeypatch, rgb):
    path = saved(tmp_path / "a.png", Image.fromarray(rgb))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W - 1)
    assert read_image(path).rgb.shape == (H, W, 3)  # warnings are errors here


def test_empty(tmp_path):
    (tmp_path / "a.png").touch()
    refused(tmp_path / "a.png", "is empty; expected a picture")


def test_vanished(tmp_path):
    refused(tmp_path / "a.png", "No such file")


def test_folder(tmp_path):
    refused(tmp_path, "is a folder; expected a picture")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_no_permission(tmp_path, rgb):
    path = saved(tmp_path / "a.png", Image.fromarray(rgb))
    path.chmod(0)
    refused(path, "Permission denied")


@pytest.mark.parametrize("content", [b"hello world, this is text", b"%PDF-1.7\n", b"\0\0\0 ftypheic\0\0\0\0", b"\x89"])
def test_renamed_file(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    refused(tmp_path / "a.jpg", "is not a picture: it begins with")


@pytest.mark.parametrize("format_", ["EPS", "PDF", "ICNS", "TGA", "PCX"])
def test_formats_that_are_not_opened(tmp_path, rgb, format_):
    path = saved(tmp_path / "a.jpg", Image.fromarray(rgb), format=format_)
    refused(path, "is not a picture")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_truncated(tmp_path, format_, part):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, format_)
    (tmp_path / "a").write_bytes(data.getvalue()[: int(len(data.getvalue()) * part)])
    refused(tmp_path / "a", "cannot decode|is not a picture")


@pytest.mark.parametrize("format_", FORMATS)
def test_random_damage_gives_a_picture_or_one_of_our_errors(tmp_path, rgb, format_):
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, format_)
    random = np.random.default_rng(1)
    for _ in range(60):
        bad = np.frombuffer(data.getvalue(), np.uint8).copy()
        bad[random.integers(4, len(bad), 4)] = random.integers(0, 256, 4)
        (tmp_path / "a").write_bytes(bad.tobytes())
        with suppress(ReadError, InputError):  # any other error, and any warning, fails
            assert read_image(tmp_path / "a").rgb.dtype == np.uint8


@pytest.mark.parametrize("size", [(0, 0), (0, 10)])
def test_no_pixels(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png_header(*size))
    refused(tmp_path / "a.png", "is not a picture|at least 8 pixels", (ReadError, InputError))


@pytest.mark.parametrize("size", [(7, 100), (100, 7), (1, 1)])
def test_too_small(tmp_path, size):
    path = saved(tmp_path / "a.png", Image.new("RGB", size))
    refused(path, f"{size[0]}x{size[1]}; both sides must be at least 8", InputError)


# --- from_pil


def test_from_pil(rgb):
    image = Image.fromarray(rgb)
    image.getexif()[0x0112] = 6
    picture = from_pil(image)
    np.testing.assert_array_equal(picture.rgb, np.rot90(rgb, -1))
    assert picture.path is None
    assert image.size == (W, H)


def test_from_pil_focal():
    image = Image.new("L", (400, 300))
    image.getexif().get_ifd(0x8769)[0xA405] = 50
    assert from_pil(image).focal_px == pytest.approx(50 / math.hypot(24, 36) * 500, rel=1e-4)


def test_from_pil_does_not_share_memory(rgb):
    image = Image.fromarray(rgb)
    from_pil(image).rgb[:] = 0
    np.testing.assert_array_equal(np.asarray(image), rgb)


def test_from_pil_refuses(monkeypatch, rgb):
    with pytest.raises(InputError, match="got ndarray"):
        from_pil(rgb)
    with pytest.raises(InputError, match="0x0"):
        from_pil(Image.new("RGB", (0, 0)))
    monkeypatch.setattr("lapdepth.io.images.MAX_PIXELS", H * W - 1)
    with pytest.raises(InputError, match="at most 239 pixels"):
        from_pil(Image.fromarray(rgb))
