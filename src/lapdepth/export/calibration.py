"""Pictures that 8-bit ranges are taken from, as the network shall see them."""

from __future__ import annotations

from pathlib import Path

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.imaging import fit
from lapdepth.io.files import expand_inputs
from lapdepth.io.images import read_image
from lapdepth.synthetic.makers import find_scene
from lapdepth.synthetic.render import Renderer

MOST_PICTURES = 32
RENDERED = ("room:1", "road:1", "room:2", "road:2", "room:3", "road:3")


def pictures_of(folder: Path, config: ModelConfig) -> list[FloatArray]:
    """Up to `MOST_PICTURES` pictures (1, 3, H, W), evenly spread over the folder's.

    Raises:
        ReadError: There are none, or one cannot be read.
        InputError: One is too small.
    """
    paths, errors = expand_inputs([str(folder)])
    if errors:
        raise errors[0]
    chosen = paths[:: -(-len(paths) // MOST_PICTURES)]
    return [fit(read_image(path).rgb, config.stride, config.working_size).tensor for path in chosen]


def rendered_pictures(config: ModelConfig) -> list[FloatArray]:
    """Rooms and roads of the rendered world, (1, 3, H, W) each."""
    return [fit(Renderer(find_scene(name)).frame(0.0).image, config.stride, config.working_size).tensor for name in RENDERED]
