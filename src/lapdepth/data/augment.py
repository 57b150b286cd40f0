"""Paired augmentation: picture, depth and camera change together, so that metres stay true.

Scaling a picture by s multiplies its focal length by s and leaves its depth alone; what the network is taught is the depth at
one training focal length, so the scaled picture's target shrinks by s. Nothing here rescales depth itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.config import Settings
from lapdepth.data.sample import Sample
from lapdepth.imaging import ByteArray

Spread = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0.1, le=10)]

DENSE = 0.5
"""Share of measured pixels from which a depth map is resampled like a picture, not point by point."""


class AugmentSettings(Settings):
    """How far pictures are changed in training.

    Attributes:
        fit: Whether `scale` starts from the scale at which the picture has the crop's pixel count; otherwise, as published,
            from the picture's own size.
        scale: Smallest and largest factor on that scale.
        rotate_deg: Largest rotation either way.
        flip: Mirror left to right with probability one half.
        brightness: Factor within 1 +- this.
        gamma: Exponent within 1 +- this.
        channel_gain: Factor of each colour channel within 1 +- this.
        saturation: Factor of the colour's distance from grey within 1 +- this.
        noise: Largest standard deviation of added noise, on the scale of 255.
        blur_px: Largest standard deviation of blur.
        permute_channels: Probability that red, green and blue change places.
        probability: Of each of the other colour changes.
        composite: Probability that what is near in another picture of the group is put in front of this one, by depth. Both
            pictures must have dense depth; others stay as they are.
        strip: Probability that a strip from top to bottom comes from another picture of the same source.
    """

    fit: bool = True
    scale: tuple[Scale, Scale] = (1.0, 1.0)
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    flip: bool = True
    brightness: Spread = 0.1
    gamma: Spread = 0.1
    channel_gain: Spread = 0.1
    saturation: Spread = 0.0
    noise: Annotated[float, Field(ge=0, le=255)] = 0.0
    blur_px: Annotated[float, Field(ge=0, le=100)] = 0.0
    permute_channels: Spread = 0.0
    probability: Spread = 0.5
    composite: Spread = 0.0
    strip: Spread = 0.0

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}; expected two numbers in rising order")
        return self


@dataclass(frozen=True, slots=True)
class Example:
    """A sample cut to the size of a training batch: arrays as in `Sample`, and the camera that goes with them."""

    image: ByteArray
    depth_m: FloatArray
    intrinsics: Intrinsics
    dense_m: FloatArray | None = None


def augment(sample: Sample, size: tuple[int, int], settings: AugmentSettings, rng: np.random.Generator) -> Example:
    """Cut a random window of `size` (height, width) out of the randomly scaled, rotated and coloured picture.

    A picture smaller than the window is padded below and at the right by repeating its edge, as in prediction; the padding
    has no depth.
    """
    height, width = size
    image, camera = sample.image, sample.intrinsics
    maps = [sample.depth_m] if sample.dense_m is None else [sample.depth_m, sample.dense_m]
    base = float(np.sqrt(height * width / (camera.height * camera.width))) if settings.fit else 1.0
    scale = base * float(np.exp(rng.uniform(*np.log(settings.scale))))
    angle_deg = rng.uniform(-settings.rotate_deg, settings.rotate_deg)
    if settings.rotate_deg:
        image, maps = _rotate(image, maps, camera, angle_deg)
    new_width, new_height = max(round(camera.width * scale), 8), max(round(camera.height * scale), 8)
    camera = camera.resized(new_width, new_height)
    image = np.asarray(
        cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR),
        np.uint8,
    )
    maps = [resize_depth(depth_m, new_height, new_width) for depth_m in maps]
    top, left = int(rng.integers(max(new_height - height, 0) + 1)), int(rng.integers(max(new_width - width, 0) + 1))
    image = image[top : top + height, left : left + width]
    maps = [depth_m[top : top + height, left : left + width] for depth_m in maps]
    bottom, right = height - image.shape[0], width - image.shape[1]
    if bottom or right:
        image = np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        maps = [np.pad(depth_m, ((0, bottom), (0, right))) for depth_m in maps]
    camera = camera.cropped(left, top, width, height)
    if settings.flip and rng.random() < 0.5:
        image, maps, camera = image[:, ::-1], [depth_m[:, ::-1] for depth_m in maps], camera.flipped()
    maps = [np.ascontiguousarray(depth_m) for depth_m in maps]
    return Example(_colour(image, settings, rng), maps[0], camera, maps[1] if len(maps) > 1 else None)


def composite(back: Example, front: Example, share: float) -> Example:
    """Put the nearest surfaces of one example in front of another, wherever they hide what is there.

    The front is seen by another camera: at the focal length of the back's it looks the same from a distance that differs by the
    ratio of the two, so its metres are brought there. Surfaces cut through by the limit are cut in picture and depth alike.

    Args:
        back: (H, W) picture and depth, infinite where sky is known.
        front: The same size.
        share: Share of the front's measured pixels, nearest first, that may come in front.

    Returns:
        A new example with the back's camera, or `back` as it is where either depth is sparse or comes with a filled-in map:
        between sparse measurements nothing tells which surface hides which.
    """
    dense = all(example.dense_m is None and (example.depth_m > 0).mean() > DENSE for example in (back, front))
    if not dense:
        return back
    near_m = front.depth_m * np.float32(back.intrinsics.focal_px / front.intrinsics.focal_px)
    behind_m = np.where(back.depth_m > 0, back.depth_m, np.float32(np.inf))
    hides = (near_m > 0) & (near_m < behind_m) & (near_m <= np.quantile(near_m[near_m > 0], share, method="lower"))
    return replace(
        back,
        image=np.where(hides[..., None], front.image, back.image),
        depth_m=np.where(hides, near_m, back.depth_m),
    )


def strip(example: Example, other: Example, columns: slice) -> Example:
    """Replace some columns by those of another example, depth brought to the focal length as in `composite`.

    Rows stay where they are: with both scaled, turned and cut alike, and cameras as in one car, ground and horizon go on.
    Depth may be sparse.
    """
    ratio = np.float32(example.intrinsics.focal_px / other.intrinsics.focal_px)

    def replaced(own: FloatArray, others: FloatArray) -> FloatArray:
        out = own.copy()
        out[:, columns] = others[:, columns] * ratio
        return out

    image = example.image.copy()
    image[:, columns] = other.image[:, columns]
    dense_m = None if example.dense_m is None or other.dense_m is None else replaced(example.dense_m, other.dense_m)
    return replace(example, image=image, depth_m=replaced(example.depth_m, other.depth_m), dense_m=dense_m)


def resize_depth(depth_m: FloatArray, height: int, width: int) -> FloatArray:
    """Resample measured depth without mixing surfaces: (H, W) to (height, width), 0 = not measured.

    Dense maps take the nearest pixel. Of sparse ones every point is moved, so that shrinking loses none but those that meet in
    one pixel, where the nearest surface wins.
    """
    measured = depth_m > 0
    if measured.mean() > DENSE or height >= depth_m.shape[0]:
        return np.asarray(cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.float32)
    rows, columns = np.nonzero(measured)
    values = depth_m[rows, columns]
    order = np.argsort(-values, kind="stable")
    out = np.zeros((height, width), np.float32)
    new_rows = ((rows + 0.5) * (height / depth_m.shape[0])).astype(np.intp)
    new_columns = ((columns + 0.5) * (width / depth_m.shape[1])).astype(np.intp)
    out[new_rows[order], new_columns[order]] = values[order]
    return out


def _rotate(image: ByteArray, maps: list[FloatArray], camera: Intrinsics, angle_deg: float) -> tuple[ByteArray, list[FloatArray]]:
    """Roll about the principal point, which leaves depth along the optical axis as it is."""
    matrix = cv2.getRotationMatrix2D((camera.cx_px, camera.cy_px), angle_deg, 1.0)
    size = (camera.width, camera.height)
    turned = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    depths = [
        cv2.warpAffine(depth_m, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        for depth_m in maps
    ]
    return np.asarray(turned, np.uint8), [np.asarray(depth, np.float32) for depth in depths]


def _colour(image: ByteArray, settings: AugmentSettings, rng: np.random.Generator) -> ByteArray:
    def around_one(spread: float, size: int | None = None) -> FloatArray:
        return np.asarray(rng.uniform(1 - spread, 1 + spread, size), np.float32)

    x = image.astype(np.float32) / np.float32(255)
    if rng.random() < settings.probability:
        x = np.power(x, around_one(settings.gamma)) * around_one(settings.brightness)
    if rng.random() < settings.probability:
        x = x * around_one(settings.channel_gain, 3)
    if settings.saturation and rng.random() < settings.probability:
        grey = x.mean(axis=2, keepdims=True)
        x = grey + (x - grey) * around_one(settings.saturation)
    if settings.permute_channels and rng.random() < settings.permute_channels:
        x = x[..., rng.permutation(3)]
    if settings.blur_px and rng.random() < settings.probability:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), max(rng.uniform(0, settings.blur_px), 0.05)), np.float32)
    if settings.noise and rng.random() < settings.probability:
        x = x + rng.normal(0, rng.uniform(0, settings.noise) / 255, x.shape).astype(np.float32)
    return np.ascontiguousarray((np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8))
