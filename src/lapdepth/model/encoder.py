"""Pretrained encoders: features at strides 2, 4, 8, 16 (and 32 for six levels) with known channels, frozen as published.

Legend: B batch, H and W height and width of the picture.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lapdepth.errors import ConfigError

Freeze = Literal["none", "published", "published-syncbn", "early"]


class Encoder(nn.Module):
    """Base: `channels` and `strides` of the features are attributes, `forward` returns them finest first."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    _frozen_norms = False
    _early = ""
    """Name of the last module before the feature at stride 4, for encoders that can hold still all up to there."""

    def freeze(self, how: Freeze) -> None:
        """Hold parts of the pretrained encoder still, one of the two ways in which the published models were trained.

        `published`: the stem's convolution and the first two blocks of `layer1` (ResNets), and every batch norm, whose
        statistics stay those of ImageNet. `published-syncbn`: what the release's multi-GPU recipe really did: its conversion to
        synchronised batch norm undid the freezing of the statistics and of the affine parts of norms that are not named
        `bn` inside a block. `early`: every batch norm, and all up to the feature at stride 4, which spares half of a step of a
        small network and leaves less to overfit. `none`: everything trains.

        Raises:
            ConfigError: `early` of an encoder whose layers have no such order.
        """
        self.requires_grad_(True)
        self._frozen_norms = how in ("published", "early")
        if how == "early":
            self._freeze_early()
        elif how != "none":
            norms = {name for name, module in self.named_modules() if isinstance(module, _BatchNorm)}
            for name, parameter in self.named_parameters():
                # Without the wrapper's own name: "layer1.0.bn1", "weight".
                owner = name.partition(".")[2].rpartition(".")[0]
                in_norm = name.rpartition(".")[0] in norms if how == "published" else ".bn" in owner
                if in_norm or owner == "conv1" or owner.startswith(("layer1.0.", "layer1.1.")):
                    parameter.requires_grad_(False)
        self.train(self.training)

    def _freeze_early(self) -> None:
        if not self._early:
            raise ConfigError("freeze 'early' needs an encoder of timm's feature lists; choose 'published' or 'none'")
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.requires_grad_(False)
        reached = False
        for name, parameter in self.named_parameters():
            inside = name.startswith(self._early)
            if reached and not inside:
                break
            reached = reached or inside
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, except that frozen batch norms stay in evaluation mode."""
        super().train(mode)
        if self._frozen_norms:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


class TimmEncoder(Encoder):
    """Any timm model that gives features at the strides needed.

    Args:
        name: timm model name, such as `resnext101_32x8d.tv_in1k`.
        levels: Levels of the decoder's pyramid: one feature fewer is needed.
        pretrained: Load timm's published weights (downloads them once).

    Raises:
        ConfigError: timm does not know the model, or its features do not fit.
    """

    def __init__(self, name: str, levels: int, pretrained: bool) -> None:
        super().__init__()
        wanted = tuple(2**k for k in range(1, levels))
        known = set(timm.list_models()) | set(timm.list_models(pretrained=True))
        if name not in known and name.split(".")[0] not in known:
            close = difflib.get_close_matches(name, known, n=3)
            raise ConfigError(f"timm has no encoder '{name}'; close names: {', '.join(close) or 'none'}")
        try:
            body: Any = timm.create_model(name, pretrained=False, features_only=True)
        except (RuntimeError, AttributeError, ValueError, AssertionError) as error:
            raise ConfigError(f"encoder '{name}' gives no pyramid of features ({error}); choose a convolutional one") from None
        strides = tuple(body.feature_info.reduction())
        if not set(wanted) <= set(strides):
            raise ConfigError(
                f"encoder '{name}' has features at strides {strides}; {levels} levels need {wanted}. "
                "Choose one such as mobilenetv2_100 or resnext101_32x8d.tv_in1k"
            )
        indices = tuple(strides.index(stride) for stride in wanted)
        body = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=indices)
        last = body.feature_info.module_name()[-1].split(".")
        if last[0] == "blocks" and len(last) > 1 and hasattr(body, "blocks"):
            # timm keeps, and runs, the stages behind the last feature of such networks.
            body.blocks = body.blocks[: int(last[1]) + 1]
        _check_sizes(body, name, wanted)
        self.channels = tuple(body.feature_info.channels())
        self.strides = wanted
        self.body = body
        self._early = f"body.{body.feature_info.module_name()[1]}."

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """(B, 3, H, W) normalised to features (B, C, H / stride, W / stride), finest first."""
        features: list[Tensor] = self.body(image)
        return features


def _check_sizes(body: nn.Module, name: str, strides: Sequence[int]) -> None:
    """Compare the features' sizes with timm's list, which a few networks do not keep to; only shapes are computed."""
    side = 4 * strides[-1]
    tensors = {key: tensor.to("meta") for key, tensor in (*body.named_parameters(), *body.named_buffers())}
    try:
        with torch.no_grad():
            features = torch.func.functional_call(body, tensors, torch.empty(1, 3, side, side, device="meta"))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"encoder '{name}' cannot take a picture of {side}x{side} ({reason}); choose a convolutional one"
        ) from None
    sizes = [tuple(feature.shape[2:]) for feature in features]
    wanted = [(side // stride, side // stride) for stride in strides]
    if sizes != wanted:
        raise ConfigError(
            f"encoder '{name}' makes features of {sizes} of a picture of {side}x{side}; the pyramid needs {wanted}. "
            "Choose one such as mobilenetv2_100 or resnext101_32x8d.tv_in1k"
        )


class DenseNet161Encoder(Encoder):
    """DenseNet161 as published: the stem's convolution and those inside the transitions, before they are pooled.

    timm's own feature list of this network taps other places. Five levels only.
    """

    channels = (96, 192, 384, 1056)
    strides = (2, 4, 8, 16)

    def __init__(self, name: str, levels: int, pretrained: bool) -> None:
        super().__init__()
        if levels != 5:
            raise ConfigError(f"encoder '{name}' has features at strides {self.strides}; use it with 5 levels, not {levels}")
        features: Any = timm.create_model(name, pretrained=pretrained).features
        del features.denseblock4, features.norm5
        self.features = features

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """(B, 3, H, W) normalised to features at strides 2, 4, 8, 16."""
        net: Any = self.features
        taps = [net.conv0(image)]
        x = net.pool0(net.norm0(taps[0]))
        for block, transition in (
            (net.denseblock1, net.transition1),
            (net.denseblock2, net.transition2),
            (net.denseblock3, net.transition3),
        ):
            taps.append(transition.conv(transition.norm(block(x))))
            x = transition.pool(taps[-1])
        return taps


BUILDERS: dict[str, Callable[[str, int, bool], Encoder]] = {"densenet161": DenseNet161Encoder}
"""Encoders that timm's feature lists do not give as published; all others are `TimmEncoder`."""


def build_encoder(name: str, levels: int, pretrained: bool = False) -> Encoder:
    """The encoder of that timm name, with random weights unless `pretrained`.

    Raises:
        ConfigError: timm cannot make it, or its features do not fit.
    """
    try:
        return BUILDERS.get(name.split(".")[0], TimmEncoder)(name, levels, pretrained)
    except ConfigError:
        raise
    except (RuntimeError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"timm cannot make encoder '{name}': {reason}") from None


def check_pretrained_parts(encoder: Encoder, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The part of a classifier's weights that the encoder uses.

    Args:
        encoder: Where they shall go.
        weights: A timm classifier's tensors, by timm's names.

    Raises:
        ConfigError: A tensor of the encoder is missing or has another shape.
    """
    picked = {}
    for name, own in encoder.state_dict().items():
        given = weights.get(name.removeprefix("body."))
        if given is None and name.endswith("num_batches_tracked"):
            given = torch.zeros((), dtype=torch.long)
        if given is None or given.shape != own.shape:
            got = "nothing" if given is None else f"shape {tuple(given.shape)}"
            raise ConfigError(f"pretrained weights have {got} for '{name}', expected shape {tuple(own.shape)}")
        picked[name] = given
    return picked
