"""Rendered scenes as a source of training: a new one for every example, none from a file."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from lapdepth.data.loader import DrawnSource
from lapdepth.data.sample import Sample
from lapdepth.io.depth import UNITS_PER_METRE
from lapdepth.synthetic.dataset import HELD_OUT_SEED, SEEDS, DatasetSettings, draw_scene
from lapdepth.synthetic.files import SKY_CODE
from lapdepth.synthetic.render import Renderer
from lapdepth.training.config import GroupSettings, SourceSettings

FARTHEST_M = (SKY_CODE - 0.5) / UNITS_PER_METRE
"""What is farther has no depth, as in the files of `lapdepth render`."""


@dataclass(frozen=True, slots=True)
class SceneDraw:
    """Renders one moment of one scene for each generator.

    Attributes:
        settings: What to draw; each sample is of another seed.
        stream: Tells groups apart: the same number of an example is another scene in each.
    """

    settings: DatasetSettings
    stream: int

    def __call__(self, rng: np.random.Generator) -> Sample:
        """Draw a sample, never from the seeds that are kept for evaluation."""
        drawn = np.random.default_rng((self.stream, *rng.integers(2**32, size=4)))
        seed, number = divmod(int(drawn.integers(HELD_OUT_SEED * SEEDS)), SEEDS)
        scene, times_s = draw_scene(replace(self.settings, seed=seed), number)
        frame = Renderer(scene).frame(times_s[0])
        depth_m = np.where(frame.depth_m < FARTHEST_M, frame.depth_m, np.float32(0))
        return Sample(scene.name, scene.name, frame.image, depth_m, frame.intrinsics, sky=frame.ids == 0)


def drawn_source(source: SourceSettings, group: GroupSettings) -> DrawnSource:
    """The scenes of a source that has no manifest.

    Raises:
        InputError: They cannot be drawn, such as with a focal length out of bounds.
    """
    assert source.scene is not None
    assert source.focal_px is not None
    assert source.count is not None
    height, width = source.size or group.crop
    # One view of each scene; how many an epoch has is the loader's business, so the data set's own count is the largest.
    settings = DatasetSettings(source.scene, SEEDS, (width, height), source.focal_px, views=1)
    return DrawnSource(SceneDraw(settings, zlib.crc32(group.name.encode())), source.count)
