"""Weather and cameras of outdoor scenes, drawn by a seed."""

from __future__ import annotations

import numpy as np

from lapdepth.synthetic.scene import Camera, Lens, Light


def within(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform, to the millimetre: files stay readable."""
    return round(float(rng.uniform(low, high)), 3)


def weather(rng: np.random.Generator) -> Light:
    """Sun, clouds, fog, rain or night."""
    kind = rng.choice(["clear", "cloudy", "overcast", "fog", "rain", "night"], p=[0.42, 0.22, 0.16, 0.06, 0.07, 0.07])
    sun = {"sun_elevation_deg": within(rng, 8, 65), "sun_azimuth_deg": within(rng, -180, 180)}
    more = {
        "clear": {"clouds": within(rng, 0, 0.5)},
        "cloudy": {"clouds": within(rng, 0.4, 0.8), "sun": within(rng, 0.4, 0.9)},
        "overcast": {"clouds": within(rng, 0.85, 1), "sun": within(rng, 0, 0.15), "softness_m": 0.4},
        "fog": {"clouds": 1.0, "sun": 0.05, "visibility_m": within(rng, 70, 400)},
        "rain": {"clouds": 1.0, "rain": within(rng, 0.3, 1), "visibility_m": within(rng, 400, 2000)},
        "night": {"night": True, "headlights": True, "clouds": 0.0},
    }[str(kind)]
    return Light.model_validate({**sun, **more})


def dashcam(rng: np.random.Generator) -> Camera:
    """Focal length, height and angles of a camera behind a windscreen."""
    return Camera(
        focal_px=within(rng, 330, 420),
        height_m=within(rng, 1.2, 1.8),
        pitch_deg=within(rng, -1, 4),
        roll_deg=within(rng, -1, 1),
    )


def any_lens(rng: np.random.Generator) -> Lens:
    """Exposure, white balance, noise and the rest."""
    return Lens(
        exposure_ev=within(rng, -0.6, 0.5),
        warmth=within(rng, -0.12, 0.15),
        noise=within(rng, 0.002, 0.02),
        blur_px=within(rng, 0.2, 0.7),
        vignette=within(rng, 0, 0.35),
        jpeg_quality=int(rng.integers(70, 98)) if rng.random() < 0.7 else None,
    )
