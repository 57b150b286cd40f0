import numpy as np
import pytest

from lapdepth.errors import ConfigError, InputError
from lapdepth.evaluation.protocols import PROTOCOLS, find_protocol

EVERYWHERE = np.inf


def box(mask):
    """(first row, last row + 1, first column, last column + 1) of a mask that is a filled rectangle."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    found = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    assert mask.sum() == (found[1] - found[0]) * (found[3] - found[2])
    return tuple(map(int, found))


@pytest.mark.parametrize(
    ("name", "size", "seen", "scored"),
    [
        # rows: int(0.40810811 * 375) = 153, int(0.99189189 * 375) = 371; columns: int(0.03594771 * 1242) = 44, 1197
        ("kitti-garg", (375, 1242), (23, 375, 13, 1229), (153, 371, 44, 1197)),
        # the same shares of 352x1216 are 143 to 349 and 43 to 1172; it begins at row 23, column 13
        ("kitti-lapdepth", (375, 1242), (23, 375, 13, 1229), (166, 372, 56, 1185)),
        ("kitti-garg", (352, 1216), (0, 352, 0, 1216), (143, 349, 43, 1172)),
        ("kitti-lapdepth", (352, 1216), (0, 352, 0, 1216), (143, 349, 43, 1172)),
        ("nyu-eigen", (480, 640), (42, 474, 40, 616), (45, 471, 41, 601)),
        ("plain", (50, 70), (0, 50, 0, 70), (0, 50, 0, 70)),
    ],
)
def test_windows(name, size, seen, scored):
    protocol = PROTOCOLS[name]
    top, left, height, width = protocol.seen(*size)
    assert (top, top + height, left, left + width) == seen
    assert box(protocol.mask(np.ones(size, np.float32), EVERYWHERE)) == scored


@pytest.mark.parametrize(("name", "cap_m"), [("kitti-garg", 80), ("kitti-lapdepth", 80), ("nyu-eigen", 10), ("plain", np.inf)])
def test_caps(name, cap_m):
    assert find_protocol(name).cap_m == cap_m


def test_mask_takes_what_was_measured_below_the_cap():
    truth_m = np.array([[0, 0.001, 0.0011, 1, 79.99, 80, 81]], np.float32)
    assert PROTOCOLS["plain"].mask(truth_m, 80).tolist() == [[False, False, True, True, True, False, False]]


def test_paste_puts_the_prediction_in_its_place():
    predicted_m = np.arange(1, 432 * 576 + 1, dtype=np.float32).reshape(432, 576)
    whole = PROTOCOLS["nyu-eigen"].paste(predicted_m, (480, 640))
    np.testing.assert_array_equal(whole[42:474, 40:616], predicted_m)
    assert np.count_nonzero(whole) == predicted_m.size


@pytest.mark.parametrize(
    ("name", "size", "match"),
    [
        ("nyu-eigen", (479, 640), "picture is 479x640; the NYU protocol takes 480x640"),
        ("nyu-eigen", (640, 480), "picture is 640x480"),
        ("kitti-garg", (351, 1242), "picture is 351x1242; the KITTI protocols take 352x1216"),
        ("kitti-garg", (375, 1215), "picture is 375x1215"),
        ("kitti-lapdepth", (100, 1242), "picture is 100x1242"),
    ],
)
def test_wrong_size(name, size, match):
    with pytest.raises(InputError, match=match):
        PROTOCOLS[name].seen(*size)


def test_unknown_protocol_lists_the_known():
    with pytest.raises(ConfigError, match="'kitti' is unknown; choose of nyu-eigen, kitti-garg, kitti-lapdepth, plain"):
        find_protocol("kitti")
