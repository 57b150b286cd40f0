"""A contact sheet of a manifest: pictures beside their depth in one scale of colours, and how depth is spread.

Legend: h, w height and width of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.data.manifest import Row, load_sample
from lapdepth.data.sample import Sample
from lapdepth.errors import ConfigError
from lapdepth.imaging import ByteArray
from lapdepth.io.color import color_bar, color_range, colorize

MAX_PICTURES = 100
TILE_HEIGHT = 160
MAX_TILE_WIDTH = 328
SHEET_WIDTH = 1320
GAP = 6
BINS = 60
HISTOGRAM_HEIGHT = 180
SPARSE = 0.5
"""Below this share of measured pixels each is drawn as a blot, since single pixels do not show in a small picture."""

_BACKGROUND, _INK, _BAR = (24, 24, 24), (235, 235, 235), (120, 170, 220)
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Counts = npt.NDArray[np.int64]


def choose(rows: Sequence[Row], count: int) -> list[Row]:
    """`count` rows, or all, evenly spread over the manifest.

    Raises:
        ConfigError: `count` is not from 1 to `MAX_PICTURES`.
    """
    if not 1 <= count <= MAX_PICTURES:
        raise ConfigError(f"{count} pictures asked for; expected 1 to {MAX_PICTURES}")
    count = min(count, len(rows))
    return [rows[i * len(rows) // count] for i in range(count)]


def contact_sheet(rows: Sequence[Row]) -> ByteArray:
    """Draw all rows given; near is red, far is blue, not measured is grey.

    Returns:
        (H, `SHEET_WIDTH`, 3) uint8 RGB.

    Raises:
        ReadError: A file cannot be read.
    """
    samples = [load_sample(row) for row in rows]
    depths_m = np.concatenate([sample.depth_m.ravel() for sample in samples])
    near_m, far_m = color_range(depths_m[None], depths_m[None] > 0)
    tiles = [_tile(sample, row.split, near_m, far_m) for sample, row in zip(samples, rows, strict=True)]
    counts, edges_m = depth_histogram([sample.depth_m for sample in samples])
    return np.concatenate([*_shelves(tiles), color_bar(SHEET_WIDTH, TILE_HEIGHT, near_m, far_m), _drawn(counts, edges_m)])


def depth_histogram(maps: Sequence[npt.NDArray[np.float32]]) -> tuple[Counts, npt.NDArray[np.float64]]:
    """Counts of measured depths in `BINS` bins, evenly spaced in the logarithm of depth.

    Args:
        maps: Each (H, W) float32 metres, 0 = not measured.

    Returns:
        (BINS,) counts and (BINS + 1,) edges in metres; from 1 to 10 m where nothing is measured.
    """
    measured = np.concatenate([depth_m[depth_m > 0].ravel() for depth_m in maps])
    low_m, high_m = (float(measured.min()), float(measured.max())) if measured.size else (1.0, 10.0)
    edges_m = np.geomspace(low_m, max(high_m, 1.01 * low_m), BINS + 1)
    # Rounding may put the ends just outside of their own bins.
    counts, _ = np.histogram(np.clip(measured, edges_m[0], edges_m[-1]), edges_m)
    return counts.astype(np.int64), edges_m


def nearest_within(depth_m: FloatArray, reach: int) -> FloatArray:
    """Each measured pixel as a square blot, so that it shows in a small picture; where blots meet the nearest shows.

    Args:
        depth_m: (H, W) metres, 0 = not measured.
        reach: Side of the blot in pixels.
    """
    # Of the points under a blot the nearest is the largest of -depth, where nothing measured is farthest.
    negative = np.where(depth_m > 0, -depth_m, np.float32(-np.inf))
    spread = cv2.dilate(np.maximum(negative, np.float32(-1e30)), np.ones((reach, reach), np.uint8))
    return np.where(spread > -1e30, -spread, np.float32(0)).astype(np.float32)


def _tile(sample: Sample, split: str, near_m: float, far_m: float) -> ByteArray:
    height, width = sample.depth_m.shape
    scale = min(TILE_HEIGHT / height, MAX_TILE_WIDTH / width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    depth_m = sample.depth_m
    if (depth_m > 0).mean() < SPARSE:
        depth_m = nearest_within(depth_m, 2 * max(round(1 / scale), 1) + 1)
    small_m = np.asarray(cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST), np.float32)
    both = np.concatenate([picture, colorize(small_m, small_m > 0, near_m, far_m)], axis=1)
    label = np.full((18, both.shape[1], 3), _BACKGROUND, np.uint8)
    measured = float((sample.depth_m > 0).mean())
    text = f"{split} {sample.scene} {sample.name} ({measured:.0%})".encode("ascii", "replace").decode()
    cv2.putText(label, text, (2, 13), _FONT, 0.4, _INK, 1, cv2.LINE_AA)
    return np.asarray(np.concatenate([both, label]), np.uint8)


def _shelves(tiles: Sequence[ByteArray]) -> list[ByteArray]:
    """Tiles in rows of the sheet's width, each (h, SHEET_WIDTH, 3)."""
    shelves: list[list[ByteArray]] = []
    left = SHEET_WIDTH
    for tile in tiles:
        if left + tile.shape[1] > SHEET_WIDTH:
            shelves.append([])
            left = 0
        shelves[-1].append(tile)
        left += tile.shape[1] + GAP
    drawn = []
    for shelf in shelves:
        strip = np.full((max(tile.shape[0] for tile in shelf) + GAP, SHEET_WIDTH, 3), _BACKGROUND, np.uint8)
        left = 0
        for tile in shelf:
            strip[: tile.shape[0], left : left + tile.shape[1]] = tile
            left += tile.shape[1] + GAP
        drawn.append(strip)
    return drawn


def _drawn(counts: Counts, edges_m: npt.NDArray[np.float64]) -> ByteArray:
    """The histogram, each bar over the depth at which it begins."""
    canvas = np.full((HISTOGRAM_HEIGHT, SHEET_WIDTH, 3), _BACKGROUND, np.uint8)
    top, bottom, step = 24, HISTOGRAM_HEIGHT - 24, SHEET_WIDTH // BINS
    heights = np.rint(counts / max(int(counts.max()), 1) * (bottom - top)).astype(int)
    for i, height in enumerate(heights.tolist()):
        if height:
            cv2.rectangle(canvas, (i * step, bottom - height), ((i + 1) * step - 2, bottom), _BAR, cv2.FILLED)
    for i in range(0, BINS, 6):
        cv2.putText(canvas, f"{edges_m[i]:.3g} m", (i * step, bottom + 16), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    text = f"measured pixels by depth: {int(counts.sum()):,}, from {edges_m[0]:.3g} to {edges_m[-1]:.3g} m"
    cv2.putText(canvas, text, (2, 15), _FONT, 0.45, _INK, 1, cv2.LINE_AA)
    return canvas
