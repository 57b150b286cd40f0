"""Encoders: which fit, what is frozen, and how pretrained weights find their place."""

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

from torch.nn.modules.batchnorm import _BatchNorm  # noqa: E402

from lapdepth.errors import ConfigError  # noqa: E402
from lapdepth.model.encoder import build_encoder, check_pretrained_parts  # noqa: E402
from model.designs import picture  # noqa: E402


def on_meta(name, levels=5):
    with torch.device("meta"):
        return build_encoder(name, levels)


def trainable(encoder):
    return {name for name, p in encoder.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("name", "levels", "channels"),
    [
        ("resnext101_32x8d.tv_in1k", 5, (64, 256, 512, 1024)),
        ("resnext101_32x8d.tv_in1k", 6, (64, 256, 512, 1024, 2048)),
        ("resnet18", 6, (64, 64, 128, 256, 512)),
        ("mobilenetv2_100", 5, (16, 24, 32, 96)),
        ("mobilenetv2_100", 6, (16, 24, 32, 96, 320)),
        ("densenet161", 5, (96, 192, 384, 1056)),
    ],
)
def test_features_are_what_the_attributes_say(name, levels, channels):
    encoder = on_meta(name, levels).eval()
    strides = (2, 4, 8, 16, 32)[: levels - 1]
    assert (encoder.channels, encoder.strides) == (channels, strides)
    features = encoder(torch.empty(1, 3, 64, 96, device="meta"))
    assert [tuple(f.shape) for f in features] == [(1, c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)]


def test_stages_behind_the_last_feature_are_not_kept():
    five, six = on_meta("mobilenetv2_100"), on_meta("mobilenetv2_100", 6)
    assert {name.split(".")[2] for name in five.state_dict() if ".blocks." in name} == set("01234")
    assert {name.split(".")[2] for name in six.state_dict() if ".blocks." in name} == set("0123456")
    assert not any("layer4" in name for name in on_meta("resnet18").state_dict())


def test_an_unknown_name_is_answered_with_close_ones():
    with pytest.raises(ConfigError, match=r"no encoder 'resnet19'; close names: .*resnet18"):
        build_encoder("resnet19", 5)
    with pytest.raises(ConfigError, match="close names: none"):
        build_encoder("0" * 40, 5)


@pytest.mark.parametrize("name", ["hf-hub:someone/something", "local-dir:/tmp", "../resnet18", "resnet18/..", ""])
def test_a_name_is_never_taken_for_a_place(name):
    with pytest.raises(ConfigError, match="timm has no encoder"):
        build_encoder(name, 5)


@pytest.mark.parametrize(
    ("name", "strides"), [("vit_tiny_patch16_224", r"\(16, 16, 16\)"), ("convnext_atto", r"\(4, 8, 16, 32\)")]
)
def test_features_at_other_strides_are_refused_with_both_lists(name, strides):
    with pytest.raises(ConfigError, match=rf"'{name}' has features at strides {strides}; 5 levels need \(2, 4, 8, 16\)"):
        on_meta(name)


@pytest.mark.parametrize("name", ["inception_v3", "dla34"])
def test_features_of_another_size_than_timm_says_are_refused(name):
    with pytest.raises(
        ConfigError, match=rf"'{name}' makes features of \[.*of a picture of 64x64; the pyramid needs \[\(32, 32\)"
    ):
        on_meta(name)


def test_an_encoder_for_one_size_of_picture_is_refused():
    with pytest.raises(ConfigError, match="'maxvit_tiny_tf_224' cannot take a picture of 64x64"):
        on_meta("maxvit_tiny_tf_224")


@pytest.mark.parametrize("name", ["vgg19_bn", "efficientnet_b0", "tf_efficientnet_b5", "xception41", "ghostnet_100"])
def test_other_convolutional_encoders_fit(name):
    encoder = on_meta(name).eval()
    features = encoder(torch.empty(1, 3, 64, 96, device="meta"))
    assert [tuple(f.shape[1:]) for f in features] == [
        (c, 64 // s, 96 // s) for c, s in zip(encoder.channels, (2, 4, 8, 16), strict=True)
    ]


def test_densenet_has_five_levels_only():
    with pytest.raises(ConfigError, match=r"'densenet161' .*\(2, 4, 8, 16\); use it with 5 levels, not 6"):
        build_encoder("densenet161", 6)


def test_a_wrong_pretrained_tag_is_named():
    with pytest.raises(ConfigError, match="nonsense"):
        on_meta("resnet18.nonsense")


def test_a_wrong_tag_of_the_densenet_is_named_on_one_line():
    with pytest.raises(ConfigError, match=r"timm cannot make encoder 'densenet161\.foo': .*foo") as caught:
        build_encoder("densenet161.foo", 5)
    assert len(str(caught.value).splitlines()) == 1


def test_published_freeze_of_a_resnet():
    encoder = on_meta("resnext101_32x8d.tv_in1k")
    everything = trainable(encoder)
    encoder.freeze("published")
    frozen = everything - trainable(encoder)
    norms = {name for name, module in encoder.named_modules() if isinstance(module, _BatchNorm)}
    convolutions = {
        f"body.{name}.weight"
        for name in (
            "conv1",
            "layer1.0.conv1",
            "layer1.0.conv2",
            "layer1.0.conv3",
            "layer1.0.downsample.0",
            "layer1.1.conv1",
            "layer1.1.conv2",
            "layer1.1.conv3",
        )
    }
    assert frozen == convolutions | {f"{norm}.{part}" for norm in norms for part in ("weight", "bias")}
    assert len(norms) == 94
    encoder.freeze("none")
    assert trainable(encoder) == everything


def test_freeze_of_the_multi_gpu_recipe_leaves_three_norms_free():
    encoder = on_meta("resnet101.tv_in1k")
    encoder.freeze("published-syncbn")
    norms = {name for name, module in encoder.named_modules() if isinstance(module, _BatchNorm)}
    free = {name.rpartition(".")[0] for name in trainable(encoder)} & norms
    assert free == {"body.bn1", "body.layer2.0.downsample.1", "body.layer3.0.downsample.1"}
    encoder.train()
    assert all(module.training for module in encoder.modules())


@pytest.mark.parametrize("name", ["densenet161", "mobilenetv2_100"])
def test_published_freeze_of_the_others_holds_the_norms_only(name):
    encoder = on_meta(name)
    everything = trainable(encoder)
    encoder.freeze("published")
    norms = {key for key, module in encoder.named_modules() if isinstance(module, _BatchNorm)}
    assert everything - trainable(encoder) == {f"{norm}.{part}" for norm in norms for part in ("weight", "bias")}


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "densenet161"])
def test_weights_of_a_timm_classifier_find_their_place(name):
    import timm

    torch.manual_seed(1)
    classifier = timm.create_model(name).eval()
    weights = {key: tensor for key, tensor in classifier.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.manual_seed(2)
    encoder = build_encoder(name, 5).eval()
    encoder.load_state_dict(check_pretrained_parts(encoder, weights))
    image = picture(1, 32, 64)
    with torch.inference_mode():
        stem = next(module for module in classifier.modules() if isinstance(module, torch.nn.Conv2d))
        own = next(module for module in encoder.modules() if isinstance(module, torch.nn.Conv2d))
        assert torch.equal(stem(image), own(image))
    loaded = sum(
        any(tensor.shape == w.shape and torch.equal(tensor, w) for w in weights.values()) for tensor in encoder.parameters()
    )
    assert loaded == len(list(encoder.parameters()))


def test_pretrained_weights_that_do_not_fit_are_refused():
    encoder = build_encoder("resnet18", 5)
    weights = {name.removeprefix("body."): tensor for name, tensor in encoder.state_dict().items()}
    with pytest.raises(ConfigError, match=r"nothing for 'body\.layer3\.1\.bn2\.bias', expected shape \(256,\)"):
        check_pretrained_parts(encoder, {k: v for k, v in weights.items() if k != "layer3.1.bn2.bias"})
    with pytest.raises(ConfigError, match=r"shape \(64,\) for 'body\.conv1\.weight'"):
        check_pretrained_parts(encoder, weights | {"conv1.weight": torch.zeros(64)})


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [("efficientnet_lite0", "blocks.1.1.conv_pwl", "blocks.2.0.conv_pw"), ("resnet18", "layer1.1.conv2", "layer2.0.conv1")],
)
def test_early_freeze_holds_norms_and_all_up_to_stride_four(name, last, first):
    encoder = on_meta(name)
    encoder.freeze("early")
    norms = {key for key, module in encoder.named_modules() if isinstance(module, _BatchNorm)}
    convolutions = [key.removesuffix(".weight") for key, p in encoder.named_parameters() if p.ndim == 4]
    free = [key for key in convolutions if f"{key}.weight" in trainable(encoder)]
    assert convolutions[convolutions.index(free[0]) - 1] == f"body.{last}"
    assert free == convolutions[convolutions.index(f"body.{first}") :]
    assert not {name.rpartition(".")[0] for name in trainable(encoder)} & norms
    encoder.train()
    assert not any(module.training for module in encoder.modules() if isinstance(module, _BatchNorm))


def test_early_freeze_of_an_encoder_without_that_order_is_refused():
    with pytest.raises(ConfigError, match="freeze 'early' needs"):
        on_meta("densenet161").freeze("early")
