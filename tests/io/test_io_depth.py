import errno
import os
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.errors import InputError, MissingExtraError, OutputError, ReadError
from lapdepth.io.depth import read_npz, read_png16, write_npz, write_png16
from lapdepth.io.exr import write_exr
from lapdepth.io.ply import write_ply

DEPTH = np.array([[1.0, 2.5, 0.004], [255.99, 80.0, np.nan]], np.float32)
VALID = np.array([[True, True, True], [True, True, False]])
CAMERA = Intrinsics(3, 2, 500.0, 501.0, 1.25, 0.5)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# --- 16-bit PNG


def test_png16_codes(tmp_path):
    write_png16(tmp_path / "d.png", DEPTH, VALID)
    codes = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert codes.dtype == np.uint16
    assert codes.tolist() == [[256, 640, 1], [65533, 20480, 0]]  # 255.99 * 256 = 65533.4


def test_png16_round_trip_in_millimetres(tmp_path):
    depth_m = np.array([[0.001, 1.2344], [65.535, np.inf]], np.float32)
    write_png16(tmp_path / "d.png", depth_m, np.isfinite(depth_m), 1000)
    read_m, valid = read_png16(tmp_path / "d.png", 1000)
    assert (read_m.dtype, valid.dtype) == (np.float32, np.bool_)
    np.testing.assert_allclose(read_m, [[0.001, 1.234], [65.535, 0]], rtol=1e-6)
    assert valid.tolist() == [[True, True], [True, False]]


def test_png16_reads_8_bit_codes(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.array([[0, 51], [255, 1]], np.uint8))
    depth_m, valid = read_png16(tmp_path / "d.png", 25.5)
    np.testing.assert_allclose(depth_m, [[0, 2], [10, 1 / 25.5]], rtol=1e-6)
    assert valid.tolist() == [[False, True], [True, True]]


def test_png16_of_nothing_valid(tmp_path):
    write_png16(tmp_path / "d.png", np.full((2, 2), np.nan, np.float32), np.zeros((2, 2), bool))
    assert not read_png16(tmp_path / "d.png")[1].any()


@pytest.mark.parametrize(
    ("depths_m", "scale", "advice"),
    [
        ((1, 300), 256, r"from 1 to 300 m .* use 128 units"),  # 65535 / 300 = 218
        ((0.001, 30), 256, r"from 0.001 to 30 m .* use 2048 units"),  # 65535 / 30 = 2184
        ((0.001, 300), 256, r"write \.npz or \.exr"),
        ((1, 255.999), 256, r"use 128 units"),  # rounds to 65536
    ],
)
def test_png16_that_does_not_fit(tmp_path, depths_m, scale, advice):
    depth_m = np.array([depths_m], np.float32)
    with pytest.raises(InputError, match=advice):
        write_png16(tmp_path / "d.png", depth_m, np.ones((1, 2), bool), scale)
    assert names(tmp_path) == []


def test_png16_advice_holds(tmp_path):
    write_png16(tmp_path / "a.png", np.array([[1, 300]], np.float32), np.ones((1, 2), bool), 128)
    write_png16(tmp_path / "b.png", np.array([[0.001, 30]], np.float32), np.ones((1, 2), bool), 2048)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_png16_scale_is_checked(tmp_path, scale):
    with pytest.raises(InputError, match="units_per_metre is"):
        write_png16(tmp_path / "d.png", DEPTH, VALID, scale)
    with pytest.raises(InputError, match="units_per_metre is"):
        read_png16(tmp_path / "d.png", scale)


def test_png16_needs_its_suffix(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.png"):
        write_png16(tmp_path / "d.jpg", DEPTH, VALID)


@pytest.mark.parametrize(
    ("depth_m", "valid", "match"),
    [
        (DEPTH[None], VALID, "depth_m is float32"),
        (np.ones((2, 3), int), VALID, "depth_m is int64"),
        (DEPTH, VALID.astype(np.uint8), "valid is uint8"),
        (DEPTH, VALID[:1], "one size for both"),
        (DEPTH, ~VALID | VALID, "1 valid pixels are not positive"),
        (-DEPTH, VALID, "5 valid pixels are not positive"),
        (DEPTH[:0], VALID[:0], "depth_m is float32"),
        ([[1.0]], VALID, "depth_m is list"),
    ],
)
def test_unfit_arrays(tmp_path, depth_m, valid, match):
    with pytest.raises(InputError, match=match):
        write_png16(tmp_path / "d.png", depth_m, valid)


def test_png16_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_png16(tmp_path / "d.png", DEPTH, VALID)
    assert names(tmp_path) == []


def png(width, height, bits, kind, rows=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"hello", "is not a PNG: it begins with b'hello'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not a PNG"),
        (png(20_000, 10_000, 16, 0), "20000x10000; expected 1 to 100,000,000"),
        (png(0, 10, 16, 0), "0x10; expected 1"),
        (png(4, 4, 8, 2), "PNG of 8-bit RGB; expected a 16-bit or 8-bit grey"),
        (png(4, 4, 1, 0), "PNG of 1-bit grey"),
        (png(4, 4, 16, 0), "damaged or incomplete"),
    ],
)
def test_png16_refuses(tmp_path, capfd, content, match):
    (tmp_path / "d.png").write_bytes(content)
    with pytest.raises(ReadError, match=match):
        read_png16(tmp_path / "d.png")


@pytest.mark.parametrize("part", [0.3, 0.9, 0.99])
def test_png16_truncated(tmp_path, part):
    noise = np.random.default_rng(0).uniform(1, 200, (60, 60)).astype(np.float32)
    write_png16(tmp_path / "d.png", noise, np.ones((60, 60), bool))
    data = (tmp_path / "d.png").read_bytes()
    (tmp_path / "d.png").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ReadError, match="damaged or incomplete"):
        read_png16(tmp_path / "d.png")


def test_png16_missing_or_folder(tmp_path):
    with pytest.raises(ReadError, match="No such file"):
        read_png16(tmp_path / "none.png")
    with pytest.raises(ReadError, match="is a folder"):
        read_png16(tmp_path)


# --- NPZ


def test_npz_round_trip(tmp_path):
    confidence = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    notes = {"model": "default ü", "focal_known": True, "far_m": 80.5, "seed": None}
    write_npz(tmp_path / "d.npz", DEPTH, VALID, confidence, CAMERA, notes)
    got = read_npz(tmp_path / "d.npz")
    assert got.depth_m.tolist() == np.where(VALID, DEPTH, 0).tolist()
    assert got.valid.tolist() == VALID.tolist()
    assert got.confidence.tolist() == confidence.tolist()
    assert (got.intrinsics, got.metadata) == (CAMERA, notes)
    assert names(tmp_path) == ["d.npz"]


def test_npz_of_another_tool_is_zero_where_invalid(tmp_path):
    parts = {"valid": np.array([[True, False, False, False]]), "intrinsics": np.ones(4), "metadata": np.array("{}")}
    np.savez(tmp_path / "d.npz", depth_m=np.array([[2.5, np.nan, -5, 1e300]]), **parts)
    got = read_npz(tmp_path / "d.npz")
    assert (got.depth_m.tolist(), got.depth_m.dtype) == ([[2.5, 0, 0, 0]], np.float32)
    for too_much in (1e300, 1e-60):  # infinite and zero as float32
        np.savez(tmp_path / "d.npz", depth_m=np.array([[too_much, 1, 1, 1]]), **parts)
        with pytest.raises(ReadError, match="1 valid pixels are not positive and finite"):
            read_npz(tmp_path / "d.npz")


def test_npz_is_plain_numpy(tmp_path):
    write_npz(tmp_path / "any.name", DEPTH, VALID, None, CAMERA, {})
    with np.load(tmp_path / "any.name", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["depth_m", "intrinsics", "metadata", "valid"]
        assert arrays["depth_m"].dtype == np.float32
        assert arrays["intrinsics"].tolist() == [500.0, 501.0, 1.25, 0.5]
        assert str(arrays["metadata"]) == "{}"


def test_npz_refuses_to_write(tmp_path):
    with pytest.raises(InputError, match="confidence is for"):
        write_npz(tmp_path / "d.npz", DEPTH, VALID, DEPTH[:1], CAMERA, {})
    with pytest.raises(InputError, match="camera is for"):
        write_npz(tmp_path / "d.npz", DEPTH, VALID, None, CAMERA.resized(6, 4), {})
    with pytest.raises(InputError, match="metadata is not JSON"):
        write_npz(tmp_path / "d.npz", DEPTH, VALID, None, CAMERA, {"a": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize("raised", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_npz_interrupted(tmp_path, monkeypatch, raised):
    def half(file, **_):
        file.write(b"half")
        raise raised

    monkeypatch.setattr("numpy.savez_compressed", half)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        write_npz(tmp_path / "d.npz", DEPTH, VALID, None, CAMERA, {})
    assert names(tmp_path) == []


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_npz_runs_no_pickle(tmp_path):
    np.savez(tmp_path / "d.npz", depth_m=np.array([Trap()], object))
    with pytest.raises(ReadError, match="allow_pickle=False"):
        read_npz(tmp_path / "d.npz")
    (tmp_path / "d.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ReadError, match="expected an NPZ"):
        read_npz(tmp_path / "d.npz")


def test_npz_bomb(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("depth_m.npy", b"")
    data = bytearray((tmp_path / "d.npz").read_bytes())
    at = data.rfind(b"PK\x01\x02") + 24  # size of the member, in the central folder
    data[at : at + 4] = struct.pack("<I", 2_000_000_000)
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(ReadError, match="unpacks to 2,000,000,000"):
        read_npz(tmp_path / "d.npz")


def test_npz_whose_header_lies_about_the_shape(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000, 10000000)}".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("depth_m.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    with pytest.raises(ReadError, match="expected an NPZ"):
        read_npz(tmp_path / "d.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"depth_m": None},
        {"valid": np.ones((5, 5), bool)},
        {"intrinsics": np.ones(3)},
        {"intrinsics": np.array([-1.0, 1, 1, 1])},
        {"metadata": np.array("{")},
        {"metadata": np.array("3")},
        {"confidence": np.ones((1, 1), np.float32)},
    ],
)
def test_npz_with_wrong_parts(tmp_path, change):
    parts = {"depth_m": DEPTH, "valid": VALID, "intrinsics": np.ones(4), "metadata": np.array("{}")} | change
    np.savez(tmp_path / "d.npz", **{name: part for name, part in parts.items() if part is not None})
    with pytest.raises(ReadError, match="expected an NPZ"):
        read_npz(tmp_path / "d.npz")


@pytest.mark.parametrize("part", [0, 0.3, 0.95])
def test_npz_truncated(tmp_path, part):
    write_npz(tmp_path / "d.npz", DEPTH, VALID, None, CAMERA, {})
    data = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ReadError, match="expected an NPZ"):
        read_npz(tmp_path / "d.npz")


# --- EXR


def test_exr_round_trip(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    write_exr(tmp_path / "d.exr", DEPTH, VALID)
    with openexr.File(str(tmp_path / "d.exr")) as file:
        assert list(file.channels()) == ["Z"]
        pixels = file.channels()["Z"].pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, np.where(VALID, DEPTH, np.nan))
    assert names(tmp_path) == ["d.exr"]


def test_exr_library_failure_is_an_output_error(tmp_path, monkeypatch):
    openexr = pytest.importorskip("OpenEXR")

    class Broken:
        def __init__(self, *_):
            pass

        def write(self, name):
            Path(name).write_bytes(b"half")
            raise RuntimeError("Cannot write\nNo space left")

    monkeypatch.setattr(openexr, "File", Broken)
    with pytest.raises(OutputError, match=r"Cannot write$"):
        write_exr(tmp_path / "d.exr", DEPTH, VALID)
    assert names(tmp_path) == []


def test_exr_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MissingExtraError, match=r"writing EXR needs the 'exr' extra"):
        write_exr(tmp_path / "d.exr", DEPTH, VALID)


# --- PLY


def test_ply_by_hand(tmp_path):
    points = np.array([[1.5, -2, 3], [0, 0.25, 100]], np.float32)
    write_ply(tmp_path / "p.ply", points, np.array([[1, 2, 3], [255, 0, 128]], np.uint8))
    head, _, body = (tmp_path / "p.ply").read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 2" in lines
    properties = [line.split()[1:] for line in lines if line.startswith("property")]
    assert properties == [[kind, name] for kind, names in (("float", "xyz"), ("uchar", ())) for name in names] + [
        ["uchar", name] for name in ("red", "green", "blue")
    ]
    assert len(body) == 2 * 15
    assert struct.unpack("<3f3B", body[:15]) == (1.5, -2, 3, 1, 2, 3)
    assert struct.unpack("<3f3B", body[15:]) == (0, 0.25, 100, 255, 0, 128)


def test_ply_without_points(tmp_path):
    write_ply(tmp_path / "p.ply", np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))
    assert (tmp_path / "p.ply").read_bytes().endswith(b"end_header\n")


@pytest.mark.parametrize(
    ("points", "rgb", "match"),
    [
        (np.zeros((2, 2), np.float32), np.zeros((2, 3), np.uint8), "points is float32"),
        (np.zeros((2, 3), int), np.zeros((2, 3), np.uint8), "points is int64"),
        (np.zeros((2, 3), np.float32), np.zeros((1, 3), np.uint8), "one colour a point"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32), "rgb is float32"),
        (np.array([[1, np.nan, 2]], np.float32), np.zeros((1, 3), np.uint8), "1 of 1 points are not finite"),
    ],
)
def test_ply_refuses(tmp_path, points, rgb, match):
    with pytest.raises(InputError, match=match):
        write_ply(tmp_path / "p.ply", points, rgb)
    assert names(tmp_path) == []


def test_ply_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_ply(tmp_path / "p.ply", np.zeros((1, 3), np.float32), np.zeros((1, 3), np.uint8))
    assert names(tmp_path) == []
