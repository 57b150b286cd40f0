"""Settings that are read from files: checked when made, unknown keys refused.

`ModelConfig` is all that prediction needs to know of a model. It is stored as `config.json` beside the weights and in the
metadata of exported files, so that a weight file can never meet the wrong range or focal length.
"""

from __future__ import annotations

import stat
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lapdepth.errors import ConfigError, ModelError, ReadError

FORMAT_VERSION = 1
"""Version of the model format. Raised when an older release could misread a newer file."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _is_line(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text)


def _one_line(text: str) -> str:
    """The text as it is; a stranger's file must not write control characters to a terminal."""
    if not _is_line(text):
        raise ValueError("expected one line of text without control characters")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Channels = Annotated[int, Field(ge=1, le=4096)]

MAX_WORKING_PIXELS = 4096 * 4096
"""A stored configuration may come from anyone; a larger picture would only fill the memory."""

LONGEST_SHOWN = 80
"""Characters of a wrong value up to which a message repeats it."""

LEAST_FAR_SHARE = 0.05
"""`far_m` of a model of linear depth lies above this share of its range, so that it does not take all for sky."""


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class DecoderConfig(Settings):
    """Widths of a decoder, coarsest level first. `None` in `ModelConfig.decoder` derives the published widths.

    Attributes:
        widths: Channels of each level's features.
        heads: Hidden channels of each level's residual head, between its features and the one-channel residual.
        aspp_width: Channels inside each branch of the dense ASPP.
        dilations: Dilations of the dense ASPP.
        convolve_first: Convolve before upsampling, at a quarter of the cost, not after it as published.
    """

    widths: Annotated[tuple[Annotated[int, Field(ge=5, le=4096)], ...], Field(max_length=8)]
    heads: Annotated[tuple[Annotated[tuple[Channels, ...], Field(max_length=8)], ...], Field(max_length=8)]
    aspp_width: Channels
    dilations: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(max_length=8)] = (3, 6, 12, 18)
    convolve_first: bool = False

    @model_validator(mode="after")
    def _same_levels(self) -> Self:
        if len(self.widths) != len(self.heads):
            raise ValueError(f"widths has {len(self.widths)} levels, heads {len(self.heads)}; they must agree")
        return self


class ModelConfig(Settings):
    """Architecture, range, camera and provenance of one model.

    Attributes:
        format_version: Version of this format.
        name: Short name for listings.
        encoder: A timm model name.
        levels: Levels of the pyramid: 5 as published (features at strides 2 to 16), 6 adds stride 32.
        norm: Decoder norm: batch or group.
        activation: Decoder activation.
        decoder: Decoder widths; `None` for the published rule (halving from the coarsest feature's width).
        weight_gain: Whether standardised convolutions learn a gain per filter (not in the published models).
        uncertainty: Whether the network predicts the scale of its own error in log depth.
        depth_scale: `linear`: depth = sigmoid(.) * max_depth_m, as published; `log`: sigmoid(.) runs over the logarithm of
            depth, from min_depth_m to max_depth_m.
        min_depth_m: Lower end of the range, only for `log`.
        max_depth_m: Upper end of the range in metres, at the training focal length.
        far_m: Depth at the training focal length from which on there is sky, or what is too far to tell. `None`: no limit.
        working_size: (height, width): pictures are scaled, aspect kept, to about as many pixels.
        focal_px: Focal length in pixels of the training pictures at the working size. `None`: unknown, so that metres do not
            follow the camera.
        fov_deg: Field of view in degrees assumed along the longer side of a picture that tells nothing of its camera.
        sharpen_edges: Whether a prediction's smeared edges are made steps (`lapdepth.inference.sharpening`). The network's own
            output, and that of an export, is as it was.
        error_scale: Factor on the predicted scale of the error, measured on pictures of scenes not trained on: a network knows
            its errors from pictures that it has seen, where they are smaller.
        image_mean: Mean of RGB in [0, 1] that the encoder was trained with.
        image_std: Standard deviation of the same.
        licence: Licence of the weights, in one line.
        provenance: Free text by key: training data, commands, results.
    """

    format_version: Annotated[int, Field(ge=1)] = FORMAT_VERSION
    name: Annotated[Line, Field(min_length=1, max_length=80)]
    encoder: Annotated[Line, Field(min_length=1, max_length=120)]
    levels: Literal[5, 6] = 5
    norm: Literal["bn", "gn"] = "bn"
    activation: Literal["relu", "elu", "mish"] = "relu"
    decoder: DecoderConfig | None = None
    weight_gain: bool = False
    uncertainty: bool = False
    depth_scale: Literal["linear", "log"] = "linear"
    min_depth_m: Positive | None = None
    max_depth_m: Positive
    far_m: Positive | None = None
    working_size: tuple[Annotated[int, Field(ge=32, le=8192)], Annotated[int, Field(ge=32, le=8192)]]
    focal_px: Positive | None = None
    fov_deg: Annotated[float, Field(ge=1, le=179)] = 60.0
    sharpen_edges: bool = False
    error_scale: Positive = 1.0
    image_mean: tuple[Finite, Finite, Finite] = (0.485, 0.456, 0.406)
    image_std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    licence: Line = "unknown"
    provenance: dict[Line, Line] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.min_depth_m is not None) != (self.depth_scale == "log"):
            raise ValueError("min_depth_m belongs to depth_scale 'log', and only to it")
        if self.min_depth_m is not None and self.min_depth_m >= self.max_depth_m:
            raise ValueError(f"min_depth_m {self.min_depth_m} must be below max_depth_m {self.max_depth_m}")
        near_m = self.min_depth_m or LEAST_FAR_SHARE * self.max_depth_m
        if self.far_m is not None and not near_m < self.far_m <= self.max_depth_m:
            raise ValueError(f"far_m {self.far_m} must be above {near_m:g} and at most max_depth_m {self.max_depth_m}")
        if self.working_size[0] * self.working_size[1] > MAX_WORKING_PIXELS:
            raise ValueError(f"working_size {self.working_size} is more than {MAX_WORKING_PIXELS:,} pixels")
        if self.decoder is not None and len(self.decoder.widths) != self.levels:
            raise ValueError(f"decoder has {len(self.decoder.widths)} widths; {self.levels} levels need {self.levels}")
        return self

    @property
    def stride(self) -> int:
        """Height and width of the network's input must be multiples of this."""
        return int(2 ** (self.levels - 1))

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> ModelConfig:
        """Read a stored configuration.

        Args:
            text: JSON.
            source: Where it comes from, for messages.

        Raises:
            ModelError: Not JSON, a newer format, an unknown key or a value out of range.
        """
        try:
            version = _VersionOnly.model_validate_json(text).format_version
            if version > FORMAT_VERSION:
                raise ModelError(
                    f"{source} is of model format {version}; this release reads up to {FORMAT_VERSION}. Upgrade lapdepth"
                )
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelError(f"{source} is not a model configuration: {_first(error)}") from None

    def to_json(self) -> str:
        """The configuration as indented JSON, the inverse of `from_json`."""
        return self.model_dump_json(indent=2) + "\n"


class _VersionOnly(BaseModel):
    format_version: int


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_toml(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        overrides: Changes such as `optimizer.lr=1e-4` or `groups.0.batch=4`, counted from 0; values are TOML, a bare word is a
            string.

    Raises:
        ReadError: The file cannot be read.
        ConfigError: It is not TOML, or an override is not `key=value`.
    """
    try:
        kind = path.stat().st_mode
        # Opening a pipe would wait for ever. A folder is told of as it is read.
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            raise ReadError(f"{path} is a pipe or a device; expected TOML in an ordinary file")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except ReadError:
        raise
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise ConfigError(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply; a file of settings has a few levels") from None
    for override in overrides or []:
        apply_override(data, override)
    return data


def check_settings(data: dict[str, Any], kind: type[SettingsT], source: str) -> SettingsT:
    """Make settings of plain data.

    Raises:
        ConfigError: A key is unknown or a value out of range; the message names `source`.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first(error)}") from None


def apply_override(data: dict[str, Any], override: str) -> None:
    """Change plain data in place as `--set key=value` says; `read_toml` says how it is written.

    Raises:
        ConfigError: It is not `key=value`, or leads through a value.
    """
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set got '{override}'; expected key=value, such as optimizer.lr=1e-4")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except ValueError:  # not TOML, or a number of thousands of digits
        parsed = value.strip()
    except RecursionError:
        raise ConfigError(f"--set {key}: its value is nested too deeply; settings have a few levels") from None
    *parents, last = key.strip().split(".")
    table: Any = data
    for parent in parents:
        if isinstance(table, list):
            if parent not in map(str, range(len(table))):
                raise ConfigError(f"--set {override}: '{parent}' is none of 0 to {len(table) - 1}")
            table = table[int(parent)]
        else:
            table = table.setdefault(parent, {})
        if not isinstance(table, (dict, list)):
            raise ConfigError(f"--set {override}: '{parent}' is a value, not a table")
    if not isinstance(table, dict):
        raise ConfigError(f"--set {override}: '{last}' is an entry of a list; name one of its keys, such as {last}.KEY")
    table[last] = parsed


def as_line(text: str) -> str:
    """Any text as one that settings may hold and a terminal may show: with escapes where it has control characters."""
    return text if _is_line(text) else ascii(text)[1:-1]


def _first(error: ValidationError) -> str:
    """One line for the first thing that is wrong, and how many more there are."""
    first, *others = error.errors(include_url=False)
    where = as_line(".".join(str(part) for part in first["loc"])) or "settings"
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key '{where}'{more}"
    got = str(first["input"])
    # Of what fits not together the input is the whole table, which tells nothing.
    shown = "" if isinstance(first["input"], dict) or len(got) > LONGEST_SHOWN else f", got {got!r}"
    return f"{where}: {first['msg']}{shown}{more}"
