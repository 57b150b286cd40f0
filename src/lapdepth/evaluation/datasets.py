"""The official tests by name, found on disk, and the protocol that they are scored by unless another is asked for."""

from __future__ import annotations

from pathlib import Path

from lapdepth.data.kitti import eigen_rows
from lapdepth.data.manifest import Row, read_manifest
from lapdepth.errors import ConfigError, ReadError

PROTOCOL_OF = {"kitti-eigen": "kitti-garg", "nyu": "nyu-eigen"}
"""Tests by name: KITTI's 652 pictures with annotated depth of Eigen et al. 2014, and NYU's 654 official labelled ones."""
NYU_TEST_PICTURES = 654


def test_rows(name: str, root: Path) -> list[Row]:
    """Rows of an official test, all of them.

    Args:
        name: A key of `PROTOCOL_OF`.
        root: The tree as in `lapdepth.data.kitti`; for NYU, what `lapdepth data prepare nyu` left.

    Raises:
        ConfigError: There is no such test.
        ReadError: A file of it is missing.
    """
    if name not in PROTOCOL_OF:
        raise ConfigError(f"data set '{name}' is unknown; choose of {', '.join(PROTOCOL_OF)}, or give --manifest")
    if name == "kitti-eigen":
        return eigen_rows(root, "test").complete(allow_missing=False)
    manifest = root / "manifest_labeled.csv"
    if not manifest.is_file():
        raise ReadError(
            f"no {manifest}; unpack the labelled file first: lapdepth data prepare nyu --archives {root} --output {root}"
        )
    rows = read_manifest(manifest, "test")
    if len(rows) != NYU_TEST_PICTURES:
        raise ReadError(f"{manifest} has {len(rows)} test pictures; expected the official {NYU_TEST_PICTURES}. Prepare it again")
    return rows
