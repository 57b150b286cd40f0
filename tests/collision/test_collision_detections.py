"""Boxes of a torchvision detector, from plain arrays and from what looks like a tensor."""

import numpy as np
import pytest

from lapdepth.collision.detections import boxes_of
from lapdepth.collision.frame import Box
from lapdepth.errors import InputError


class Tensor:
    """Needs `detach` and `cpu` before it is an array, as a tensor on a GPU does."""

    def __init__(self, values, home=False):
        self.values, self.home = values, home

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.values, home=True)

    def __array__(self, dtype=None, copy=None):
        assert self.home
        return np.asarray(self.values, dtype)


def detections(wrap=np.asarray):
    boxes = [[10, 20, 30, 40], [0, 0, 8, 8], [5, 5, 5, 9], [1, np.nan, 2, 3]]
    return {"boxes": wrap(boxes), "labels": wrap([2, 1, 1, 1]), "scores": wrap([0.9, 0.2, 0.9, 0.9])}


@pytest.mark.parametrize("wrap", [np.asarray, Tensor, list])
def test_sure_and_sound_boxes_are_taken(wrap):
    found = boxes_of(detections(wrap), names=["_", "person", "car"], scale=(0.5, 2))
    assert found == (Box(5, 40, 15, 80, "car"),)


def test_a_label_without_a_name_is_its_number():
    assert [box.label for box in boxes_of(detections(), min_score=0.1)] == ["2", "1"]
    assert boxes_of({"boxes": np.zeros((0, 4)), "labels": np.zeros(0), "scores": np.zeros(0)}) == ()


def test_what_is_no_detection_is_named():
    with pytest.raises(InputError, match="no 'labels'"):
        boxes_of({"boxes": [], "scores": []})
    with pytest.raises(InputError, match="expected"):
        boxes_of({**detections(), "scores": [0.1]})
