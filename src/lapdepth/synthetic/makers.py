"""Scenes by name: a TOML file, or a maker with a seed such as `road:7`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from lapdepth.config import apply_override, check_settings
from lapdepth.errors import ConfigError
from lapdepth.synthetic.drives import drive_scene
from lapdepth.synthetic.fields import open_scene
from lapdepth.synthetic.motorways import motorway_scene
from lapdepth.synthetic.roads import road_scene
from lapdepth.synthetic.rooms import room_scene
from lapdepth.synthetic.scene import Camera, Scene, load_scene

MAKERS: dict[str, Callable[[int, Camera | None], Scene]] = {
    "road": road_scene,
    "drive": drive_scene,
    "motorway": motorway_scene,
    "open": open_scene,
    "room": room_scene,
}
"""Each takes a seed, and a camera or `None`."""


def find_scene(name: str, changes: list[str] | None = None) -> Scene:
    """The scene of that name.

    Args:
        name: A TOML file, or `MAKER:SEED`.
        changes: `key=value` in place of what the file says or the maker chose.

    Raises:
        ReadError: There is no such file.
        ConfigError: What is read or changed is not a scene, the kind is unknown, or the seed is no whole number or too large.
    """
    match = re.fullmatch(rf"({'|'.join(MAKERS)}):(\d+)", name)
    if match is None:
        if ":" in name and not os.path.exists(name):  # noqa: PTH110 - Path.exists raises for names that are too long
            raise ConfigError(
                f"no scene '{name[:80]}'; expected a TOML file, or {', '.join(MAKERS)} with a whole number, such as road:7"
            )
        return load_scene(Path(name), changes)
    digits = match[2].lstrip("0")
    if len(digits) > 10 or int(digits or 0) >= 2**31:  # Python turns no text of thousands of digits into a number
        raise ConfigError(f"seed of {name[:80]} is too large; expected at most {2**31 - 1}")
    seed = int(digits or 0)
    scene = MAKERS[match[1]](seed, None)
    if not changes:
        return scene
    data = scene.model_dump(mode="json", exclude_none=True)
    for change in changes:
        apply_override(data, change)
    return check_settings(data, Scene, name)
