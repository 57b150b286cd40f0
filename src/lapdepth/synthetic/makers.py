"""Scenes by name: a TOML file, or a maker with a seed such as `road:7`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from lapdepth.errors import ConfigError
from lapdepth.synthetic.drives import drive_scene
from lapdepth.synthetic.fields import open_scene
from lapdepth.synthetic.roads import road_scene
from lapdepth.synthetic.rooms import room_scene
from lapdepth.synthetic.scene import Camera, Scene, load_scene

MAKERS: dict[str, Callable[[int, Camera | None], Scene]] = {
    "road": road_scene,
    "drive": drive_scene,
    "open": open_scene,
    "room": room_scene,
}
"""Each takes a seed, and a camera or `None`."""


def find_scene(name: str, changes: list[str] | None = None) -> Scene:
    """The scene of that name.

    Args:
        name: A TOML file, or `MAKER:SEED`.
        changes: `key=value` in place of what a file says.

    Raises:
        ReadError: There is no such file.
        ConfigError: The file is not a scene, or the seed is too large.
    """
    match = re.fullmatch(rf"({'|'.join(MAKERS)}):(\d+)", name)
    if match is None:
        return load_scene(Path(name), changes)
    if changes:
        raise ConfigError(f"--set changes a scene's file; {name} is drawn by its seed. Write it to a file first")
    seed = int(match[2])
    if seed >= 2**31:
        raise ConfigError(f"seed of {name} is too large; expected at most {2**31 - 1}")
    return MAKERS[match[1]](seed, None)
