"""95 % intervals of what the test track measures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Interval = tuple[float, float]
Z95 = 1.96


def share_interval(hits: int, total: int) -> Interval:
    """Of a share of runs (Wilson 1927).

    Example:
        >>> [round(bound, 3) for bound in share_interval(0, 100)]
        [0.0, 0.037]
    """
    share, spread = hits / total, Z95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z95 * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rate_interval(count: int, hours: float) -> Interval:
    """Of a rate per hour (Byar's approximation); for none counted the upper bound is the one-sided 3 / hours."""
    if count == 0:
        return 0.0, 3.0 / hours
    low = count * (1 - 1 / (9 * count) - Z95 / (3 * math.sqrt(count))) ** 3
    more = count + 1
    high = more * (1 - 1 / (9 * more) + Z95 / (3 * math.sqrt(more))) ** 3
    return max(low, 0.0) / hours, high / hours


def quantile_interval(values: Sequence[float], share: float) -> Interval:
    """Of a quantile, from the order of the values."""
    ordered = np.sort(values)
    half = Z95 * math.sqrt(len(ordered) * share * (1 - share))
    low, high = math.floor(len(ordered) * share - half), math.ceil(len(ordered) * share + half)
    return float(ordered[min(max(low, 0), len(ordered) - 1)]), float(ordered[min(high, len(ordered) - 1)])
