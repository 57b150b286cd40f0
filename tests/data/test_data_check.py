"""Every kind of damage is named with its row; a sound manifest has none."""

import shutil

import cv2
import numpy as np
import pytest

from data.pictures import write_manifest, write_pictures
from data.trees import codes, noise
from lapdepth.data.check import check_rows
from lapdepth.data.likeness import ALIKE_BITS, BITS, find_alike, picture_hash
from lapdepth.data.manifest import read_manifest

HEADER = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene,dense_depth"
SIZE = (60, 100)


@pytest.fixture
def sound(tmp_path):
    """Five rows without a fault: picture i has a depth of i + 1 metres."""
    lines = []
    for i in range(5):
        noise(tmp_path / f"{i}.png", i, SIZE)
        codes(tmp_path / f"{i}-depth.png", 1000 * (i + 1), SIZE)
        lines.append([f"{i}.png", f"{i}-depth.png", 1000, 80, 80, 49.5, 29.5, "train" if i < 3 else "test", f"scene{i}", ""])
    return lines


def problems(tmp_path, lines):
    write_manifest(tmp_path / "m.csv", lines, HEADER)
    return [(found.row + 1, found.kind, found.text) for found in check_rows(read_manifest(tmp_path / "m.csv"), jobs=2)]


def test_nothing_wrong(sound, tmp_path):
    write_manifest(tmp_path / "m.csv", sound, HEADER)
    seen = []
    assert check_rows(read_manifest(tmp_path / "m.csv"), watch=lambda done, total: seen.append((done, total))) == []
    assert seen == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize(("true_units", "units"), [(256, 1000), (256, 100), (1000, 5000), (1000, 256)])
def test_units_that_the_pictures_do_not_look_like(tmp_path, true_units, units):
    """Eight pictures of 4 to 11 m."""
    lines = []
    for i in range(8):
        noise(tmp_path / f"{i}.png", i, SIZE)
        codes(tmp_path / f"{i}-depth.png", true_units * (4 + i), SIZE)
        lines.append([f"{i}.png", f"{i}-depth.png", units, 80, 80, 49.5, 29.5, "train", f"scene{i}", ""])
    write_manifest(tmp_path / "m.csv", lines, HEADER)
    rows = read_manifest(tmp_path / "m.csv")
    assert check_rows(rows) == []  # no median of it is absurd
    depths_m = iter(np.arange(4.0, 12.0))
    (found,) = check_rows(rows, expect=lambda image, focal_px: np.full(image.shape[:2], next(depths_m)))
    assert (found.row, found.kind) == (0, "unit")
    assert f"is {true_units / units:.2g} times what the pictures look like, in the median of 8" in found.text
    assert f"; {true_units} units per metre would fit" in found.text
    depths_m = iter(np.arange(4.0, 12.0) * true_units / units * 1.7)
    assert check_rows(rows, expect=lambda image, focal_px: np.full(image.shape[:2], next(depths_m))) == []


def test_few_pictures_tell_nothing_of_the_unit(sound, tmp_path):
    write_manifest(tmp_path / "m.csv", sound, HEADER)
    rows = read_manifest(tmp_path / "m.csv")
    assert check_rows(rows, expect=lambda *_: pytest.fail("looked")) == []


def spoil_missing_depth(folder, lines):
    (folder / "2-depth.png").unlink()


def spoil_missing_dense(folder, lines):
    lines[2][9] = "nosuch.png"


def spoil_name(folder, lines):
    lines[2][0] = "a" * 5000


def spoil_picture(folder, lines):
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:200])


def spoil_depth(folder, lines):
    (folder / "2-depth.png").write_text("no")


def spoil_size(folder, lines):
    codes(folder / "2-depth.png", 2000, (61, 100))


def spoil_empty(folder, lines):
    codes(folder / "2-depth.png", 0)


def spoil_unit_large(folder, lines):
    codes(folder / "2-depth.png", 65000)
    lines[2][2] = lines[1][2] = lines[0][2] = lines[3][2] = lines[4][2] = 255


def spoil_unit_small(folder, lines):
    codes(folder / "2-depth.png", 20)


def spoil_unit_of_one_row(folder, lines):
    lines[2][2] = 256


def spoil_saturated(folder, lines):
    made = np.full(SIZE, 2000, np.uint16)
    made[:, :10] = 65535
    cv2.imwrite(str(folder / "2-depth.png"), made)


def spoil_dense(folder, lines):
    codes(folder / "2-dense.png", 12000)
    lines[2][9] = "2-dense.png"


def spoil_focal(folder, lines):
    lines[2][3:5] = [8, 8]


def spoil_center(folder, lines):
    lines[2][5:7] = [320, 240]


def spoil_listed_twice(folder, lines):
    lines[2][0] = "1.png"


def spoil_copied(folder, lines):
    shutil.copy(folder / "0.png", folder / "2.png")


def spoil_shared_depth(folder, lines):
    lines[2][1] = "0-depth.png"


@pytest.mark.parametrize(
    ("spoil", "kind", "reason"),
    [
        (spoil_missing_depth, "missing", "there is no file"),
        (spoil_missing_dense, "missing", "nosuch.png"),
        (spoil_name, "unreadable", "File name too long"),
        (spoil_picture, "unreadable", "cannot decode"),
        (spoil_depth, "unreadable", "is not a PNG"),
        (spoil_size, "size", "is (61, 100), the picture (60, 100)"),
        (spoil_empty, "empty", "has 0 of 6000 pixels measured"),
        (spoil_unit_large, "unit", "the median depth is 254.9 m at 255 units per metre"),
        (spoil_unit_small, "unit", "the median depth is 0.02 m at 1000 units per metre"),
        (spoil_unit_of_one_row, "unit", "256 units per metre, most of"),
        (spoil_saturated, "unit", "10% of"),
        (spoil_dense, "unit", "filled-in depth is 4 times the measured one"),
        (spoil_focal, "camera", "focal lengths are 8 and 8 px for a width of 100; expected 20 to 1000 px"),
        (spoil_center, "camera", "principal point is (320, 240) in a picture of 100x60"),
        (spoil_listed_twice, "duplicate", "the same picture as row 2"),
        (spoil_copied, "duplicate", "the same picture as row 1"),
        (spoil_shared_depth, "duplicate", "with row 1"),
    ],
)
def test_one_fault(sound, tmp_path, spoil, kind, reason):
    spoil(tmp_path, sound)
    (found,) = problems(tmp_path, sound)
    assert found[:2] == (3, kind)
    assert reason in found[2]


def test_sky_of_an_8_bit_map_is_not_measured(sound, tmp_path):
    made = np.full(SIZE, 20, np.uint8)
    made[:50] = 255
    for name in ("2-depth.png", "2-dense.png"):
        cv2.imwrite(str(tmp_path / name), made)
    sound[2][9] = "2-dense.png"
    sound[2][2] = 1
    for i, line in enumerate(sound):
        line[1] = line[1] if i == 2 else f"other/{i}-depth.png"
        codes(tmp_path / f"other/{i}-depth.png", 1000, SIZE)
        line.append(255 if i == 2 else "")
    write_manifest(tmp_path / "m.csv", sound, f"{HEADER},sky_code")
    assert check_rows(read_manifest(tmp_path / "m.csv")) == []  # 255.5 m would be an unlikely median


def test_all_faults_of_a_row(sound, tmp_path):
    spoil_center(tmp_path, sound)
    spoil_size(tmp_path, sound)
    spoil_unit_small(tmp_path, sound)
    sound[2][9] = "0-depth.png"
    assert [found[1] for found in problems(tmp_path, sound)] == ["camera", "unit", "unit"]


def test_a_scene_in_two_splits_is_told_once(sound, tmp_path):
    sound[3][8] = sound[4][8] = "scene0"
    assert problems(tmp_path, sound) == [(4, "leak", "scene 'scene0' is in 'test' and, from row 1 on, in 'train'")]


@pytest.mark.parametrize("how", ["same", "jpeg", "half", "brighter", "one pixel off"])
def test_a_training_picture_in_the_test(sound, tmp_path, how):
    image = cv2.imread(str(tmp_path / "1.png"))
    if how == "half":
        image = cv2.resize(cv2.resize(image, (50, 30), interpolation=cv2.INTER_AREA), (100, 60))
    elif how == "brighter":
        image = np.clip(image * 1.2 + 10, 0, 255).astype(np.uint8)
    elif how == "one pixel off":
        image = cv2.resize(image[1:, 1:], (100, 60))
    name = "4.jpg" if how == "jpeg" else "4.png"
    cv2.imwrite(str(tmp_path / name), image, [cv2.IMWRITE_JPEG_QUALITY, 60] if how == "jpeg" else [])
    sound[4][0] = name
    (found,) = problems(tmp_path, sound)
    assert found[:2] == (5, "leak")
    assert f"{'the same picture as' if how == 'same' else 'looks like'} row 2 of 'train'" in found[2]


def test_pictures_of_one_split_may_be_alike(sound, tmp_path):
    image = cv2.imread(str(tmp_path / "1.png"))
    cv2.imwrite(str(tmp_path / "2.jpg"), image)
    sound[2][0] = "2.jpg"
    assert problems(tmp_path, sound) == []


def test_pictures_without_structure_are_not_alike(sound, tmp_path):
    for name in ("1.png", "4.png"):
        cv2.imwrite(str(tmp_path / name), np.full((*SIZE, 3), 9 + int(name[0]), np.uint8))
    assert problems(tmp_path, sound) == []


def test_the_same_file_in_two_splits_is_a_leak_whatever_it_shows(sound, tmp_path):
    for name in ("1.png", "4.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((*SIZE, 3), np.uint8))
    assert [found[:2] for found in problems(tmp_path, sound)] == [(5, "leak")]


def test_hashes_of_unlike_pictures_differ_in_half_of_the_bits():
    rng = np.random.default_rng(0)
    hashes = np.stack([picture_hash(rng.integers(0, 256, (60, 100, 3), np.uint8)) for _ in range(20)])
    assert hashes.shape == (20, BITS)
    different = (hashes[:, None] != hashes[None]).sum(-1)[np.triu_indices(20, 1)]
    assert abs(different.mean() - BITS / 2) < 5
    assert different.min() > 2 * ALIKE_BITS - 5


def test_the_most_alike_in_large_numbers():
    rng = np.random.default_rng(1)
    others = rng.random((3000, BITS)) < 0.5
    own = rng.random((2000, BITS)) < 0.5
    own[1500] = others[2900]
    own[1500, :7] ^= True
    own[3] = others[5]
    assert list(find_alike(own, others)) == [(3, 5, 0), (1500, 2900, 7)]
    assert list(find_alike(own, np.zeros((0, BITS), bool))) == []


def test_an_interrupted_check_stops(tmp_path):
    path = write_pictures(tmp_path, 40)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_rows(read_manifest(path), watch=stop, jobs=1)
