"""Whether a run may go on with the settings given: a model must say truly what it was trained with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lapdepth.data.loader import DrawnSource, Source
from lapdepth.errors import ConfigError, ReadError
from lapdepth.io.files import write_json
from lapdepth.training.config import TrainConfig

CONFIG_FILE, CHANGES_FILE, DATA_FILE = "config.json", "changes.json", "data.json"

FREE = ("output", "data_root", "workers", "checkpoint_every", "log_every")
"""Settings that change no loss."""
CHANGEABLE = ("optimizer", "steps")
"""Settings that may change on the way, as after a loss that became NaN; the model says so. Any other makes another run."""


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that was changed when a run went on.

    Attributes:
        step: From which step on.
        key: The setting, such as `optimizer.lr`.
        before: Its value until then.
        after: Its value from then on.
    """

    step: int
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """A few words."""
        return f"{self.key} {json.dumps(self.before)} -> {json.dumps(self.after)} from step {self.step}"


def changes_of(config: TrainConfig, first_step: int) -> list[Change]:
    """All changes of the run in `config.output`: those on record, and those that `config` brings at `first_step`.

    Raises:
        ConfigError: `config` is of another run, or there is nothing left to train with what it changes.
        ReadError: A file of the run's folder cannot be read.
    """
    path = config.output / CONFIG_FILE
    if not path.is_file():
        return []
    before = _flat(_begun_with(path))
    recorded = _read(config.output / CHANGES_FILE) if (config.output / CHANGES_FILE).is_file() else []
    changes = [Change(**one) for one in recorded]
    for one in reversed(changes):
        if one.step >= first_step:  # a run that was killed before it saved a step trained nothing with this
            before[one.key] = one.before
    after = _flat(config.model_dump(mode="json"))
    differing = [
        Change(first_step, key, before.get(key), after.get(key))
        for key in {**before, **after}
        if key.split(".")[0] not in FREE and before.get(key) != after.get(key)
    ]
    for one in differing:
        if one.key.split(".")[0] not in CHANGEABLE:
            raise ConfigError(
                f"{config.output} holds a run with {one.key} = {json.dumps(one.before)}, not {json.dumps(one.after)}; "
                "give what it was begun with, or choose another output"
            )
    if differing and first_step >= config.steps:
        raise ConfigError(
            f"{config.output} holds a run that is at step {first_step} of {config.steps}: nothing is left to train with another "
            f"{', '.join(one.key for one in differing)}; raise steps, or choose another output"
        )
    return [one for one in changes if one.step < first_step] + differing


def digests(config: TrainConfig, sources: Sequence[Sequence[Source | DrawnSource]]) -> dict[str, str]:
    """The number of rows and a digest of them for each manifest that a run draws from; the folder of the data may move."""

    def told(source: Source) -> str:
        rows = [
            [os.path.relpath(cell, config.data_root) if isinstance(cell, Path) else str(cell) for cell in cells]
            for cells in (tuple(getattr(row, field.name) for field in fields(row)) for row in source.rows)
        ]
        return f"{len(rows)} rows, {sha256(json.dumps(rows).encode()).hexdigest()}"

    return {
        f"groups.{place}.sources.{number} ({settings.name})": told(source)
        for place, (group, drawn) in enumerate(zip(config.groups, sources, strict=True))
        for number, (settings, source) in enumerate(zip(group.sources, drawn, strict=True))
        if isinstance(source, Source)
    }


def check_data(config: TrainConfig, data: Mapping[str, str]) -> None:
    """Raise `ConfigError` where a run's manifests do not hold what it was begun with; of older runs nothing is on record."""
    path = config.output / DATA_FILE
    before = _read(path) if path.is_file() else data
    for name in data:
        if before.get(name) != data[name]:
            rows = [str(one.get(name)).split(",")[0] for one in (before, data)]
            raise ConfigError(
                f"{config.output} was begun with other pictures: {name} had {rows[0]}, has {rows[1]}, and they are not the same; "
                "give the data it was begun with, or choose another output"
            )


def write_settings(config: TrainConfig, changes: Sequence[Change], data: Mapping[str, str]) -> None:
    """Write the run's settings, what was changed on the way, and the digests of its data into its folder."""
    if data:
        write_json(config.output / DATA_FILE, dict(data))
    if changes or (config.output / CHANGES_FILE).exists():
        write_json(config.output / CHANGES_FILE, [asdict(one) for one in changes])
    write_json(config.output / CONFIG_FILE, config.model_dump(mode="json"))


def _begun_with(path: Path) -> Any:
    """The settings of a run. Those that its version did not have yet are at their defaults, which change nothing."""
    saved = _read(path)
    try:
        return TrainConfig.model_validate_json(json.dumps(saved)).model_dump(mode="json")
    except ValidationError:  # one of them is gone: it will be named as what differs
        return saved


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ReadError(f"{path} is not JSON; choose another output") from None


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Single values by their keys, with dots between them."""
    if isinstance(value, dict):
        inner: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return {key: value}
    return {path: one for name, part in inner for path, one in _flat(part, f"{key}.{name}".lstrip(".")).items()}
