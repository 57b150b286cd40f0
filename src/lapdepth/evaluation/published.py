"""Published results on the official tests, to stand beside an evaluation, with what is known of how they were scored.

Numbers of papers as their repositories and tables give them, read in November 2026. Differences of less than about 0.002 abs_rel
or 0.1 m rmse between papers mean nothing: crops, truth and averaging differ more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KITTI, NYU = "kitti-eigen", "nyu"
TEST_OF = {"kitti-garg": KITTI, "kitti-lapdepth": KITTI, "nyu-eigen": NYU}
"""Official test that a protocol is made for."""


@dataclass(frozen=True, slots=True)
class Published:
    """One row.

    Attributes:
        test: Official test.
        method: Name and encoder.
        parameters: In words, where told.
        protocol: Whose pixels were scored; `None` where that is not told, or where it is none of ours.
        cap_m: Farthest depth scored.
        metrics: As printed.
        source: Where the numbers are.
        aligned: Whether each prediction was aligned to its truth, which makes it another quantity.
    """

    test: str
    method: str
    parameters: str
    protocol: str | None
    cap_m: float
    metrics: Mapping[str, float]
    source: str
    aligned: bool = False


def _row(abs_rel: float, rmse: float, delta1: float, **more: float) -> dict[str, float]:
    return {"abs_rel": abs_rel, "rmse": rmse, "delta1": delta1, **more}


_LAPDEPTH, _BTS, _V2 = "release of LapDepth, README", "cleinc/bts, README", "Depth Anything V2, table 4"

ROWS = (
    Published(
        *(KITTI, "LapDepth ResNeXt101", "73.6 M", "kitti-lapdepth", 80.0),
        metrics=_row(0.059, 2.397, 0.965, sq_rel=0.201, rmse_log=0.090),
        source=_LAPDEPTH,
    ),
    Published(
        *(KITTI, "LapDepth ResNeXt101, gradient loss too", "73.6 M", "kitti-lapdepth", 80.0),
        metrics=_row(0.059, 2.489, 0.961, sq_rel=0.209, rmse_log=0.091),
        source=_LAPDEPTH,
    ),
    Published(
        *(KITTI, "LapDepth ResNeXt101", "73.6 M", "kitti-lapdepth", 80.0),
        metrics=_row(0.059, 2.446, 0.962, rmse_log=0.091),
        source="Song, Lim and Kim 2021",
    ),
    Published(
        *(KITTI, "LapDepth ResNeXt101", "73.6 M", "kitti-lapdepth", 50.0),
        metrics=_row(0.057, 1.788, 0.970, sq_rel=0.155, rmse_log=0.085),
        source=_LAPDEPTH,
    ),
    Published(*(KITTI, "AdaBins", "78 M", "kitti-lapdepth", 80.0), metrics=_row(0.058, 2.360, 0.964), source=_V2),
    Published(*(KITTI, "BTS ResNeXt101", "112.8 M", "kitti-garg", 80.0), metrics=_row(0.059, 2.756, 0.956), source=_BTS),
    Published(*(KITTI, "BTS DenseNet161", "47.0 M", "kitti-garg", 80.0), metrics=_row(0.060, 2.798, 0.955), source=_BTS),
    Published(*(KITTI, "NeWCRFs Swin-L", "", None, 80.0), metrics=_row(0.052, 2.072, 0.975), source="aliyun/NeWCRFs, README"),
    Published(*(KITTI, "ZoeDepth", "345 M", None, 80.0), metrics=_row(0.054, 2.281, 0.971), source="Depth Anything V1, README"),
    Published(*(KITTI, "Depth Anything V2-S", "24.8 M", None, 80.0), metrics=_row(0.053, 2.235, 0.973), source=_V2),
    Published(*(KITTI, "Depth Anything V2-L", "335 M", None, 80.0), metrics=_row(0.045, 1.861, 0.983), source=_V2),
    Published(*(KITTI, "Metric3D v2 L", "", None, 80.0), metrics=_row(0.044, 1.985, 0.985), source="Metric3D, README"),
    Published(
        *(KITTI, "UniDepth V2-L, fine-tuned", "354 M", None, 80.0),
        metrics=_row(0.0373, 1.71, 0.989),
        source="arXiv 2502.20110, tables V and VI",
    ),
    Published(
        *(KITTI, "Marigold", "", None, 80.0),
        metrics={"abs_rel": 0.099, "delta1": 0.916},
        source="Metric3D, README",
        aligned=True,
    ),
    Published(
        *(NYU, "LapDepth ResNeXt101", "73.6 M", "nyu-eigen", 10.0),
        metrics=_row(0.105, 0.384, 0.895, log10=0.045, delta2=0.983, delta3=0.996),
        source="Song, Lim and Kim 2021",
    ),
    Published(*(NYU, "BTS ResNeXt101", "112.8 M", None, 10.0), metrics=_row(0.111, 0.399, 0.880), source=_BTS),
    Published(*(NYU, "BTS DenseNet161", "47.0 M", None, 10.0), metrics=_row(0.110, 0.392, 0.885), source=_BTS),
    Published(*(NYU, "AdaBins", "78 M", None, 10.0), metrics=_row(0.103, 0.364, 0.903), source=_V2),
    Published(*(NYU, "NeWCRFs Swin-L", "", None, 10.0), metrics=_row(0.0952, 0.331, 0.923), source="aliyun/NeWCRFs, README"),
    Published(*(NYU, "ZoeDepth", "345 M", None, 10.0), metrics=_row(0.077, 0.282, 0.951), source="Depth Anything V1, README"),
    Published(*(NYU, "Depth Anything V2-S", "24.8 M", None, 10.0), metrics=_row(0.073, 0.261, 0.961), source=_V2),
    Published(*(NYU, "Depth Anything V2-L", "335 M", None, 10.0), metrics=_row(0.056, 0.206, 0.984), source=_V2),
    Published(*(NYU, "Metric3D v2 L", "", None, 10.0), metrics=_row(0.047, 0.183, 0.989), source="Metric3D, README"),
    Published(
        *(NYU, "UniDepth V2-L, fine-tuned", "354 M", None, 10.0),
        metrics=_row(0.0468, 0.180, 0.988),
        source="arXiv 2502.20110, tables V and VI",
    ),
    Published(
        *(NYU, "Marigold", "", None, 10.0),
        metrics={"abs_rel": 0.055, "delta1": 0.961},
        source="Metric3D, README",
        aligned=True,
    ),
)


def published(protocol: str, cap_m: float, aligned: bool = False) -> tuple[list[Published], list[Published]]:
    """Rows of the test that a protocol is made for, under the same cap.

    Args:
        protocol: Its name.
        cap_m: Farthest depth scored.
        aligned: Take in those whose predictions were aligned to the truth.

    Returns:
        Rows in metres under this very protocol; and the others.
    """
    rows = [row for row in ROWS if row.test == TEST_OF.get(protocol) and row.cap_m == cap_m and (aligned or not row.aligned)]
    same = [row for row in rows if row.protocol == protocol and not row.aligned]
    return same, [row for row in rows if row not in same]
