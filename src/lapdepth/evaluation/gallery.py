"""Pictures of an evaluation that are kept to be looked at: its best and its worst.

Legend: H, W height and width of the picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lapdepth.camera import FloatArray
from lapdepth.evaluation.protocols import BoolArray
from lapdepth.imaging import ByteArray

RANKED_BY = "abs_rel"
"""Metric that says which is best."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as it was scored.

    Attributes:
        place: In the list of all pictures, from 0.
        name: Of the picture.
        scene: Of the picture.
        metrics: Its scores.
        image: (H, W, 3) uint8 RGB.
        truth_m: (H, W) metres, 0 = not measured.
        predicted_m: (H, W) metres, 0 where the protocol showed nothing.
        mask: (H, W) bool, pixels that were scored.
    """

    place: int
    name: str
    scene: str
    metrics: Mapping[str, float]
    image: ByteArray
    truth_m: FloatArray
    predicted_m: FloatArray
    mask: BoolArray


class Gallery:
    """Keeps the best and the worst of what it is shown, or pictures that were chosen before.

    Args:
        count: How many of the best, and how many of the worst.
        places: Keep these and no others, such as those chosen for another model.
    """

    def __init__(self, count: int, places: Collection[int] | None = None) -> None:
        self._count = count
        self._places = places
        self._kept: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Look at one; at most 2 * count + 1 are held at a time."""
        if self._places is None:
            self._kept = sorted([*self._kept, seen], key=lambda one: (one.metrics[RANKED_BY], one.place))
            if len(self._kept) > 2 * self._count:
                del self._kept[self._count]  # neither among the best nor among the worst
        elif seen.place in self._places:
            self._kept.append(seen)

    @classmethod
    def merged(cls, galleries: Sequence[Gallery]) -> Gallery:
        """What one gallery would have kept."""
        whole = cls(galleries[0]._count, galleries[0]._places)
        for gallery in galleries:
            for seen in gallery._kept:
                whole.add(seen)
        return whole

    def worst(self) -> list[Seen]:
        """The worst, worst first."""
        return self._kept[: -self._count - 1 : -1] if self._count else []

    def best(self) -> list[Seen]:
        """The best that are not among the worst, best first."""
        return self._kept[: max(len(self._kept) - self._count, 0)]

    def by_place(self) -> dict[int, Seen]:
        """All that were kept."""
        return {seen.place: seen for seen in self._kept}
