"""Batches for training: what is drawn, and how it is changed, depends on the seed and a counter alone.

Workers, process restarts and machines therefore never change or repeat an augmentation, and a run resumes with the very
batches that it would have seen.

Legend: B batch, H and W height and width of the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lapdepth.data.augment import AugmentSettings, Example, augment, composite, strip
from lapdepth.data.manifest import Row, load_sample
from lapdepth.data.sample import Sample
from lapdepth.data.sky import bright_sky, continue_upwards
from lapdepth.errors import ConfigError, LapDepthError

Window = tuple[int, int, int, int] | Literal["kb"] | None

SkyIs = Literal["known", "looked for", "unknown"]

FRONT_SHARE = (0.1, 0.5)
"""Least and largest share of another picture that may come in front: enough to be seen, not so much that the back is gone."""
STRIP_SHARE = (0.2, 0.5)
"""Least and largest share of the columns that a strip of another picture takes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples stacked for the network.

    Attributes:
        image: (B, 3, H, W) float32 RGB in [0, 1].
        depth_m: (B, 1, H, W) float32 metres, 0 = not measured.
        sky: (B, 1, H, W) bool, where the picture shows sky; all false for sources that do not look for it.
        focal_px: (B,) float32, focal length of each crop.
        guess_m: (B, 1, H, W) float32 metres, about what is likely above the measured part; 0 = no guess.
        dense_m: (B, 1, H, W) float32 metres, the filled-in depth where the manifest has one, else `depth_m`.
    """

    image: Tensor
    depth_m: Tensor
    sky: Tensor
    focal_px: Tensor
    guess_m: Tensor
    dense_m: Tensor


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one data set and how they are used.

    Attributes:
        rows: What to draw from.
        repeat: How often each row appears in an epoch.
        window: (left, top, width, height) of the part of the picture that may be used, `kb` for the crop of the KITTI depth
            benchmark, 1216x352 at the bottom middle, or `None` for all of it.
        sky: Whether to look for sky and for what stands above the measured part, neither of which LiDAR measures. Rows that tell
            where the sky is (`sky_code`) need it not.
    """

    rows: Sequence[Row]
    repeat: int = 1
    window: Window = None
    sky: bool = False


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """Samples that are made as they are asked for, each from a random generator of its own.

    Attributes:
        draw: Makes a sample; must give the same for the same state of the generator, and go to another process by pickle.
        count: How many are in an epoch.
    """

    draw: Callable[[np.random.Generator], Sample]
    count: int


class CounterDataset(Dataset[tuple[Tensor, ...]]):
    """Maps a running counter to an example: epoch = counter // length, a new permutation each epoch.

    Args:
        sources: Data sets to mix.
        size: (height, width) of the crops.
        settings: Augmentation.
        seed: Seed of everything random.

    Raises:
        ConfigError: There is no row.
    """

    def __init__(
        self, sources: Sequence[Source | DrawnSource], size: tuple[int, int], settings: AugmentSettings, seed: int
    ) -> None:
        self.items: list[tuple[Source, Row] | DrawnSource] = []
        for source in sources:
            if isinstance(source, DrawnSource):
                self.items += [source] * source.count
            else:
                self.items += [(source, row) for row in source.rows for _ in range(source.repeat)]
        if not self.items:
            raise ConfigError("no picture is left to train on; use more folds, or 0 folds to hold nothing out")
        self.size = size
        self.settings = settings
        self.seed = seed

    def __len__(self) -> int:
        """Examples in an epoch."""
        return len(self.items)

    def __getitem__(self, counter: int) -> tuple[Tensor, ...]:
        """The counter's example, without the leading B: image, depth, sky, focal length, guess, filled-in depth."""
        # Workers are processes of their own: OpenCV's threads in each would fight over the same cores.
        cv2.setNumThreads(1)
        epoch, place = divmod(counter, len(self.items))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.items))
        item = self.items[order[place]]
        example, sky_is = self._example(item, self._rng(2, counter), self._rng(1, counter))
        rng = self._rng(3, counter)
        if rng.random() < self.settings.composite:
            front, _ = self._example(self.items[rng.integers(len(self.items))], rng, rng)
            example = composite(example, front, rng.uniform(*FRONT_SHARE))
        if rng.random() < self.settings.strip:
            if not isinstance(item, DrawnSource):
                item = item[0], item[0].rows[rng.integers(len(item[0].rows))]
            # The same generator scales, turns and cuts both alike.
            other, known = self._example(item, rng, self._rng(1, counter))
            width = round(self.size[1] * rng.uniform(*STRIP_SHARE))
            left = int(rng.integers(self.size[1] - width + 1))
            if known == sky_is:
                example = strip(example, other, slice(left, left + width))
        return _to_tensors(example, sky_is)

    def _example(
        self, item: tuple[Source, Row] | DrawnSource, drawn: np.random.Generator, changed: np.random.Generator
    ) -> tuple[Example, SkyIs]:
        if isinstance(item, DrawnSource):
            sample, window, sky = item.draw(drawn), None, False
        else:
            source, row = item
            sample, window, sky = load_sample(row), source.window, source.sky
        example = augment(_windowed(_with_sky(sample), window), self.size, self.settings, changed)
        return example, "known" if sample.sky is not None else "looked for" if sky else "unknown"

    def _rng(self, purpose: int, counter: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, purpose, counter))


def batches(
    dataset: CounterDataset, batch: int, first_step: int, last_step: int, workers: int, part: range | None = None
) -> Generator[Batch]:
    """Batches of steps `first_step` to `last_step` - 1: step s holds the counters from s * batch on.

    Of several processes each takes a `part` of every batch, such as `range(4, 8)` of 16.

    The workers are forked, with which they are there at once and scripts need no main guard. OpenCV's threads must not be asleep
    then: whatever used them before, such as scoring between two trainings, a worker that sets their number would wait for
    threads that were not forked with it, for ever.

    Raises:
        LapDepthError: An example cannot be made, such as of a damaged file: the error of whoever loads it, as it is.
    """
    part = range(batch) if part is None else part
    loader = DataLoader(
        _ErrorsAsValues(dataset),
        batch_sampler=[[step * batch + place for place in part] for step in range(first_step, last_step)],
        num_workers=workers,
        collate_fn=_stacked,
        pin_memory=torch.cuda.is_available(),
    )
    for tensors in _forked(loader):
        if isinstance(tensors, LapDepthError):
            raise tensors
        yield Batch(*tensors)


def _forked(loader: DataLoader[tuple[Tensor, ...] | LapDepthError]) -> Iterator[list[Tensor] | LapDepthError]:
    """The loader with its workers started while OpenCV has no threads; it gets as many as it had when it next needs them."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return iter(loader)
    finally:
        cv2.setNumThreads(threads)


class _ErrorsAsValues(Dataset[tuple[Tensor, ...] | LapDepthError]):
    """Gives the package's own errors back: raised in a worker, they would reach the user as PyTorch's text of a traceback."""

    def __init__(self, dataset: CounterDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, counter: int) -> tuple[Tensor, ...] | LapDepthError:
        try:
            return self.dataset[counter]
        except LapDepthError as error:
            return error


def _stacked(examples: list[tuple[Tensor, ...] | LapDepthError]) -> list[Tensor] | LapDepthError:
    """The examples' tensors with the leading B, or the first error among them."""
    for example in examples:
        if isinstance(example, LapDepthError):
            return example
    tensors: list[Tensor] = default_collate(examples)
    return tensors


def _with_sky(sample: Sample) -> Sample:
    """Known sky as infinite depth, so that augmentation moves it with the rest."""
    if sample.sky is None:
        return sample
    return replace(sample, depth_m=np.where(sample.sky, np.float32(np.inf), sample.depth_m), sky=None)


def _windowed(sample: Sample, window: Window) -> Sample:
    if window is None:
        return sample
    camera = sample.intrinsics
    left, top, width, height = ((camera.width - 1216) // 2, camera.height - 352, 1216, 352) if window == "kb" else window
    if min(left, top) < 0 or min(width, height) < 1 or left + width > camera.width or top + height > camera.height:
        raise ConfigError(
            f"window is {[left, top, width, height]}, picture '{sample.name}' {camera.width}x{camera.height}; "
            "the window is (left, top, width, height) and must lie inside"
        )
    area = (slice(top, top + height), slice(left, left + width))
    return replace(
        sample,
        image=sample.image[area],
        depth_m=sample.depth_m[area],
        intrinsics=camera.cropped(left, top, width, height),
        dense_m=None if sample.dense_m is None else sample.dense_m[area],
    )


def _to_tensors(example: Example, sky_is: SkyIs) -> tuple[Tensor, ...]:
    depth_m, guess_m = example.depth_m, np.zeros_like(example.depth_m)
    sky = np.zeros(depth_m.shape, bool)
    if sky_is == "known":
        sky = np.isinf(depth_m)
        depth_m = np.where(sky, np.float32(0), depth_m)
    elif sky_is == "looked for":
        sky = bright_sky(example.image, depth_m)
        guess_m = continue_upwards(example.image, depth_m)
    image = torch.from_numpy(example.image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    focal_px = torch.tensor(example.intrinsics.focal_px, dtype=torch.float32)
    dense_m = depth_m if example.dense_m is None else example.dense_m
    depth, skies, guess, dense = (torch.from_numpy(array)[None] for array in (depth_m, sky, guess_m, dense_m))
    return image, depth, skies, focal_px, guess, dense
