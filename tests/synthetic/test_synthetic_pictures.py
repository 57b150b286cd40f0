"""Colour: the same by seed, smooth at edges where depth is not, and darker where no sun comes."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.synthetic.lens import develop
from lapdepth.synthetic.noise import hashed, rough
from lapdepth.synthetic.render import render
from lapdepth.synthetic.scene import Camera, Ground, Lens, Light, Motion, Scene, Thing

PLAIN = Lens(noise=0, blur_px=0, vignette=0)
GREY = Ground(surface="plain", colour=(0.5, 0.5, 0.5))
SMALL = Camera(width=64, height=48, focal_px=50, pitch_deg=10)


def grey(image):
    return image.astype(float).mean(-1)


def test_a_seed_decides_everything():
    scene = Scene(camera=SMALL, ground=GREY, objects=(Thing(kind="tree", motion=Motion(z_m=9)),))
    first, again = render(scene), render(scene)
    assert (first.image == again.image).all()
    assert (first.depth_m == again.depth_m).all()
    assert (render(scene, 0.1).image != first.image).any()  # noise of its own for each frame
    other = render(scene.model_copy(update={"seed": 5}))
    assert (other.image != first.image).any()


def test_frame_says_where_it_was_taken():
    frame = render(Scene(camera=SMALL.model_copy(update={"motion": Motion(speed_mps=3, x_m=1)}), ground=GREY), 2.0)
    np.testing.assert_allclose(frame.pose[:3, 3], [1, -1.5, 6], atol=1e-12)
    assert frame.intrinsics == SMALL.intrinsics
    assert frame.image.shape == (48, 64, 3)
    assert (frame.image.dtype, frame.depth_m.dtype, frame.ids.dtype) == (np.uint8, np.float32, np.int32)
    assert ((frame.ids == 0) == np.isinf(frame.depth_m)).all()


@pytest.mark.parametrize("distortion", [(0.0, 0.0, 0.0, 0.0, 0.0), (-0.1, 0.0, 0.0, 0.0, 0.0)])
def test_where_nothing_is_in_view_there_is_sky(distortion):
    """One-sided ground seen from below, and ground that the camera has left behind."""
    below = Scene(camera=SMALL.model_copy(update={"height_m": -0.5, "distortion": distortion}), ground=GREY)
    ahead = SMALL.model_copy(update={"motion": Motion(speed_mps=20), "distortion": distortion})
    behind = Scene(camera=ahead, ground=Ground(reach_m=30))
    for frame in (render(below), render(behind, 2.9)):
        assert np.isinf(frame.depth_m).all()
        assert not frame.ids.any()
        assert grey(frame.image).min() > 20


def test_depth_is_not_mixed_where_colour_is():
    """A dark tower against the sky, its edge at 0.3 of a pixel: one column of mixed colour, none of mixed depth."""
    camera = Camera(width=64, height=48, focal_px=50, height_m=5)
    edge = (40.2 - 31.5) / 50 * 10  # the right edge at column 40.2
    tower = Thing(kind="box", size_m=(2, 20, 2), colour=(0.02, 0.02, 0.02), motion=Motion(x_m=edge - 1, z_m=11))
    frame = render(Scene(camera=camera, objects=(tower,), light=Light(clouds=0), lens=PLAIN))
    row = grey(frame.image)[10]
    inside, outside = row[38], row[43]
    assert outside > inside + 40
    assert inside + 10 < row[40] < outside - 10
    assert row[41] == pytest.approx(outside, abs=5)
    assert frame.depth_m[10, 40] == pytest.approx(10)
    assert np.isinf(frame.depth_m[10, 41])


def test_shadow_falls_away_from_the_sun():
    """The sun stands 45 degrees high on the right: a wall of 1 m darkens 1 m of ground on its left, and none on its right."""
    camera = Camera(width=100, height=100, focal_px=100, height_m=8, pitch_deg=90, motion=Motion(z_m=10))
    wall = Thing(kind="box", size_m=(0.2, 1, 6), motion=Motion(z_m=10))
    light = Light(sun_elevation_deg=45, sun_azimuth_deg=90, clouds=0)
    frame = render(Scene(camera=camera, ground=GREY, objects=(wall,), light=light, lens=PLAIN))
    brightness = grey(frame.image)[50]
    x = (np.arange(100) - 49.5) / 100 * 8
    shadow = (x > -0.85) & (x < -0.35)
    lit = (x < -1.5) | (x > 1.5)
    assert brightness[shadow].max() < 0.8 * brightness[lit].min()


def test_fog_hides_what_is_far():
    scene = Scene(
        camera=SMALL, ground=GREY, objects=(Thing(kind="box", size_m=(9, 9, 1), colour=(0, 0, 0), motion=Motion(z_m=40)),)
    )
    clear = render(scene.model_copy(update={"lens": PLAIN}))
    fog = render(scene.model_copy(update={"lens": PLAIN, "light": Light(visibility_m=40)}))
    on_box, near = clear.ids == 2, (clear.ids == 1) & (clear.depth_m < 4)
    contrast = [grey(frame.image)[near].mean() - grey(frame.image)[on_box].mean() for frame in (clear, fog)]
    assert contrast[0] > 20
    assert contrast[1] < 0
    assert (clear.depth_m == fog.depth_m).all()


@pytest.mark.parametrize(
    "light", [Light(night=True, headlights=True), Light(rain=0.8), Light(indoor=True)], ids=["night", "rain", "indoor"]
)
def test_other_lights_change_no_depth(light):
    things = (Thing(kind="lamp", motion=Motion(x_m=2, z_m=8)), Thing(kind="car", motion=Motion(z_m=9)))
    scene = Scene(camera=SMALL, ground=GREY, objects=things)
    day, other = render(scene), render(scene.model_copy(update={"light": light}))
    assert (day.depth_m == other.depth_m).all()
    assert (day.image != other.image).any()
    assert other.image.std() > 5


def test_lens_does_what_it_says():
    light = np.full((40, 60, 3), 0.3, np.float32)
    kept = light.copy()
    even = develop(light, PLAIN, 0)
    assert (light == kept).all()
    assert even.std() == 0
    assert develop(light * 5, PLAIN, 0) == pytest.approx(even, abs=1)  # automatic exposure
    assert develop(light, PLAIN.model_copy(update={"exposure_ev": 1.0}), 0).mean() > even.mean() + 20
    warm = develop(light, PLAIN.model_copy(update={"warmth": 0.2}), 0)[0, 0].astype(int)
    assert warm[0] > warm[1] > warm[2]
    noisy = PLAIN.model_copy(update={"noise": 0.02})
    assert (develop(light, noisy, 1) == develop(light, noisy, 1)).all()
    assert develop(light, noisy, 1).std() > 1
    assert (develop(light, noisy, 1) != develop(light, noisy, 2)).any()
    dark = develop(light, PLAIN.model_copy(update={"vignette": 0.5}), 0)[..., 0].astype(int)
    assert dark[0, 0] < dark[20, 30] - 20
    squeezed = develop(light, noisy.model_copy(update={"jpeg_quality": 20}), 1)
    assert (squeezed != develop(light, noisy, 1)).any()


def test_noise_has_a_natural_spectrum():
    """Of 1 / f^beta noise, power falls with f^(-2 beta): here beta 0.6, fitted over the middle of the spectrum."""
    import torch

    field = rough(torch.device("cpu")).values[: 512 * 512].view(512, 512).numpy()
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, abs=1e-3)
    power = abs(np.fft.fft2(field)) ** 2
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
    bands = [(low, low * 1.5) for low in (0.01, 0.03, 0.09, 0.2)]
    mean = [power[(f >= low) & (f < high)].mean() for low, high in bands]
    slope = np.polyfit(np.log([low for low, _ in bands]), np.log(mean), 1)[0]
    assert slope == pytest.approx(-1.2, abs=0.1)


def test_hash_is_even_and_fixed():
    import torch

    values = hashed(torch.arange(10000), torch.tensor([7]))
    assert float(values.min()) >= 0
    assert float(values.max()) < 1
    assert float(values.mean()) == pytest.approx(0.5, abs=0.02)
    assert (hashed(torch.arange(5), torch.tensor([7])) == values[:5]).all()
