"""Maps of another model, with or without the pictures they are of beside them."""

import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.collision.proving.open_loop import FolderSource
from lapdepth.collision.proving.scene import View
from lapdepth.io.files import write_encoded

CAMERA = Intrinsics.from_focal(64, 32, 40)


@pytest.mark.parametrize("picture", [False, True])
def test_the_picture_goes_to_the_warning_where_it_lies_beside_the_map(picture, tmp_path):
    np.save(tmp_path / "000000.npy", np.full((32, 64), 9, np.float32))
    rgb = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    if picture:
        write_encoded(tmp_path / "000000.png", np.ascontiguousarray(rgb[..., ::-1]))
    seen = FolderSource(tmp_path)(View(0.0, ()), CAMERA)
    assert seen.depth_m == pytest.approx(np.full((32, 64), 9))
    assert np.array_equal(seen.image, rgb) if picture else seen.image is None
