"""Draw the two example pictures, a street and a room, with their exact depth.

Run ``python scripts/draw_examples.py [street|room ...]`` from the repository root (NumPy and OpenCV only, no
GPU; well under a minute each).  It writes ``examples/street.jpg`` and ``examples/room.jpg``, and next to each a
``*_depth.png``: 16-bit, metres x 256, 0 = sky, the depth along the optical axis at each pixel's centre.

World axes: X right, Y down, Z forward, in metres, with the camera at the origin (looking along Z in the street,
11 degrees down and 6 to the left in the room).  Integer pixel coordinates are pixel centres.  A ray is
``origin + t * direction`` with a direction whose part along the optical axis is 1, so that t *is* the depth.
Every shape is a unit solid seen through an affine map from world to local coordinates.  Light is a set of
shadow maps (one sun or several window points, and many directions of sky) drawn by the same ray caster.

The scenes are made up and every texture is computed, so the pictures belong to this project: Apache-2.0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Vec = Sequence[float] | Array  # three numbers
Cut = tuple[Vec, Vec]  # a plane: its normal, a point on it
OUT = Path(__file__).resolve().parent.parent / "examples"
FAR = np.float32(1e6)  # depth of "no hit"
SUPER = 2  # samples per pixel side
TEXELS = 1024  # side of the periodic noise textures


def f32(value: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return `value` as a float32 array."""
    return np.asarray(value, np.float32)


def unit(v: Array) -> Array:
    """Scale vectors to length 1."""
    return f32(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9))


def step(lo: float, hi: float, x: Array) -> Array:
    """Rise smoothly from 0 at `lo` to 1 at `hi`."""
    s = np.clip((x - lo) / (hi - lo), 0, 1)
    return f32(s * s * (3 - 2 * s))


def mix(a: Vec, b: Vec, w: Array) -> Array:
    """Blend colours (N, 3) by weights (N,)."""
    return f32(f32(a) * (1 - w[:, None]) + f32(b) * w[:, None])


class Noise:
    """Periodic 1/f^beta noise, zero mean and unit deviation, with a mip pyramid against aliasing."""

    def __init__(self, beta: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        k = np.hypot(*np.meshgrid(np.fft.fftfreq(TEXELS), np.fft.fftfreq(TEXELS)))
        k[0, 0] = np.inf
        tex = np.fft.ifft2(np.fft.fft2(rng.standard_normal((TEXELS, TEXELS))) * k**-beta).real
        level = f32(tex / tex.std())
        flat = [level.ravel()]
        while level.shape[0] > 1:
            level = f32(cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).reshape(-1, 1))
            level = level.reshape(int(level.size**0.5), -1)
            flat.append(level.ravel())
        self.flat = np.concatenate(flat)
        self.start = np.cumsum([0] + [f.size for f in flat[:-1]])

    def __call__(self, u: Array, v: Array, period: float, foot: Array | float = 0.0) -> Array:
        """Look up at (u, v) metres; the texture repeats every `period` metres; `foot`: size of a sample."""
        fine = np.log2(np.maximum(f32(foot) * (TEXELS / period), 1)) + DITHER.random(u.shape, np.float32) - 0.5
        lev = np.clip(np.rint(fine), 0, 10).astype(np.int64)
        size = TEXELS >> lev
        i = np.floor(v / period * size).astype(np.int64) % size
        j = np.floor(u / period * size).astype(np.int64) % size
        return f32(self.flat[self.start[lev] + i * size + j])


DITHER = np.random.default_rng(7)
ROUGH, LEAF, CLOUD = Noise(0.6, 1), Noise(1.0, 4), Noise(1.6, 2)  # grainy to soft


def cell(i: Array, j: Array | float = 0.0) -> Array:
    """Hash cell indices to [0, 1)."""
    return f32(np.modf(np.abs(np.sin(i * 12.9898 + f32(j) * 78.233) * 43758.547))[0])


@dataclass
class Hit:
    """Points on one shape: world, local, unit normal, distance to the nearest edge, sample size."""

    p: Array
    q: Array
    n: Array
    edge: Array
    foot: Array


@dataclass
class Surface:
    """What a material returns: colour, mirror strength, own light, and how rough the normal is."""

    albedo: Array
    gloss: Array | float = 0.0
    glow: Array | float = 0.0
    bump: float = 0.0


Material = Callable[[Hit], Surface]


@dataclass
class Shape:
    """A solid: `kind` in local coordinates (A(p - c)), bounded there by lo..hi; `cut` punches noise holes."""

    kind: str
    c: Array
    a: Array
    lo: Array
    hi: Array
    material: Material
    planes: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # n.x <= d
    soft: float = 0.0  # radius over which normals bend round edges
    cut: float = 0.0
    cast: bool = True

    def hit(self, o: Array, d: Array, near: float) -> Array:
        """Return t of the first hit beyond `near`, FAR where there is none."""
        o, d = (o - self.c) @ self.a.T, d @ self.a.T
        if self.kind == "convex":
            t0, t1 = np.full(d.shape[:-1], near, np.float32), np.full(d.shape[:-1], FAR)
            t0, t1 = (np.broadcast_to(t, np.broadcast_shapes(o.shape, d.shape)[:-1]).copy() for t in (t0, t1))
            for plane in self.planes:
                den, num = d @ plane[:3], plane[3] - o @ plane[:3]
                t = num / np.where(np.abs(den) < 1e-9, 1e-9, den)
                t0, t1 = np.where(den < 0, np.maximum(t0, t), t0), np.where(den >= 0, np.minimum(t1, t), t1)
            return f32(np.where((t0 < t1) & (t0 > near), t0, FAR))
        m = f32([1, 0 if self.kind == "cylinder" else 1, 1])  # a cylinder stands along its local y
        a, b, c = (d * d) @ m, (o * d) @ m, (o * o) @ m - 1
        disc = b * b - a * c
        root, a = np.sqrt(np.maximum(disc, 0)), np.maximum(a, 1e-12)
        best = np.full(disc.shape, FAR, np.float32)
        for t in ((-b - root) / a, (-b + root) / a):
            ok = (disc > 0) & (t > near) & (best == FAR)
            q = o + t[..., None] * d
            if self.kind == "cylinder":
                ok &= np.abs(q[..., 1]) < 1
            if self.cut:
                w = q @ np.linalg.inv(self.a).T + self.c
                face = np.abs((q * d).sum(-1)) / np.linalg.norm(d, axis=-1)  # fewer leaves where seen edge-on
                ok &= leafy(w[..., 0], w[..., 1], w[..., 2]) > self.cut + 1.8 * (1 - face) ** 2
            best = np.where(ok, t, best)
        if self.kind == "cylinder":
            dy = np.where(np.abs(d[..., 1]) < 1e-9, 1e-9, d[..., 1])
            t = (-np.sign(dy) - o[..., 1]) / dy
            q = o + t[..., None] * d
            best = np.where((t > near) & (t < best) & (q[..., 0] ** 2 + q[..., 2] ** 2 < 1), t, best)
        return f32(best)

    def at(self, p: Array, foot: Array) -> Hit:
        """Describe the surface at world points `p`."""
        q, edge = f32((p - self.c) @ self.a.T), np.full(len(p), 9, np.float32)
        if self.kind == "convex":
            slack = self.planes[:, 3] - q @ self.planes[:, :3].T
            order = np.sort(np.abs(slack), axis=1)
            edge = order[:, 1]
            w = np.exp(-np.maximum(slack - order[:, :1], 0) / max(self.soft, 1e-4))
            n = w @ self.planes[:, :3]
        elif self.kind == "cylinder":
            n = np.where(np.abs(q[:, 1:2]) > 0.9995, q * [0, 1, 0], q * [1, 0, 1])
        else:
            n = q
        return Hit(p, q, unit(f32(n @ self.a)), edge, foot)


def leafy(x: Array, y: Array, z: Array) -> Array:
    """Return the noise that punches holes between leaves (blobs of a few centimetres to decimetres)."""
    return f32(LEAF(x + 0.61 * z, y + 0.37 * z, 11.0) + LEAF(z - 0.43 * x, y - 0.29 * x, 9.0))


def turn(yaw: float = 0.0, roll: float = 0.0) -> Array:
    """World-to-local rotation: `yaw` degrees about Y, then `roll` about Z."""
    (s, c), (u, v) = ((np.sin(k), np.cos(k)) for k in np.radians([yaw, roll]))
    return f32(f32([[v, u, 0], [-u, v, 0], [0, 0, 1]]) @ f32([[c, 0, -s], [0, 1, 0], [s, 0, c]]))


def convex(c: Vec, lo: Vec, hi: Vec, mat: Material, yaw: float = 0, cuts: Sequence[Cut] = (),
           scale: Vec = (1, 1, 1), soft: float = 0.0, cast: bool = True) -> Shape:  # fmt: skip
    """Box lo..hi around `c`, cut by further planes given as (normal, point)."""
    rows = [[*(-np.eye(3)[i]), -lo[i]] for i in range(3)] + [[*np.eye(3)[i], hi[i]] for i in range(3)]
    for n, p in cuts:
        m = unit(f32(n))
        rows.append([*m, float(m @ f32(p))])
    a = f32(np.diag(1 / f32(scale)) @ turn(yaw))
    return Shape("convex", f32(c), a, f32(lo), f32(hi), mat, f32(rows), soft, cast=cast)


def box(c: Vec, size: Vec, mat: Material, yaw: float = 0, bevel: float = 0.0, cast: bool = True) -> Shape:
    """Box of full `size` centred on `c`, its edges taken off by `bevel` metres."""
    h = f32(size) / 2
    cuts: list[Cut] = []
    for i, j in ((0, 1), (0, 2), (1, 2)) if bevel else ():
        for si in (-1, 1):
            for sj in (-1, 1):
                n, p = np.zeros(3), np.zeros(3)
                n[i], n[j], p[i], p[j] = si, sj, si * (h[i] - bevel), sj * h[j]
                cuts.append((n.tolist(), p.tolist()))
    return convex(c, (-h).tolist(), h.tolist(), mat, yaw, cuts, soft=bevel, cast=cast)


def ball(c: Vec, r: Vec, mat: Material, cut: float = 0.0, yaw: float = 0) -> Shape:
    """Ellipsoid with half axes `r`."""
    a = f32(np.diag(1 / f32(r)) @ turn(yaw))
    return Shape("ball", f32(c), a, -np.ones(3, np.float32), np.ones(3, np.float32), mat, cut=cut)


def tube(c: Vec, r: float, height: float, mat: Material, yaw: float = 0, roll: float = 0) -> Shape:
    """Cylinder along Y (along X with roll 90) centred on `c`."""
    a = f32(np.diag([1 / r, 2 / height, 1 / r]) @ turn(yaw, roll))
    return Shape("cylinder", f32(c), a, -np.ones(3, np.float32), np.ones(3, np.float32), mat)


@dataclass
class Camera:
    """A pinhole (or, for sun and sky, parallel) camera; rows of `r`: its right, down and forward axes."""

    w: int
    h: int
    f: float
    cx: float
    cy: float
    r: Array = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    o: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    parallel: bool = False

    def rays(self) -> tuple[Array, Array]:
        """Origins and directions, broadcasting to (h, w, 3)."""
        u, v = np.meshgrid((np.arange(self.w) - self.cx) / self.f, (np.arange(self.h) - self.cy) / self.f)
        if self.parallel:
            return f32(self.o + u[..., None] * self.r[0] + v[..., None] * self.r[1]), f32(self.r[2:][None])
        return self.o[None, None], f32(np.stack([u, v, np.ones_like(u)], -1)) @ self.r

    def project(self, p: Array) -> tuple[Array, Array, Array]:
        """Pixel coordinates and depth of world points."""
        x, y, t = ((p - self.o) @ self.r.T).T
        s = np.ones_like(t) if self.parallel else np.maximum(t, 1e-3)
        return f32(x / s * self.f + self.cx), f32(y / s * self.f + self.cy), f32(t)

    def trace(self, shapes: Sequence[Shape]) -> tuple[Array, npt.NDArray[np.int32]]:
        """Depth and shape index of the first hit at each pixel (FAR and -1 where there is none)."""
        o, d = self.rays()
        near = -FAR if self.parallel else np.float32(0.02)
        depth, index = np.full((self.h, self.w), FAR), np.full((self.h, self.w), -1, np.int32)
        for k, s in enumerate(shapes):
            corners = f32(np.stack(np.meshgrid(*zip(s.lo, s.hi, strict=True)), -1).reshape(-1, 3))
            u, v, t = self.project(f32(corners @ np.linalg.inv(s.a).T + s.c))
            x0, x1, y0, y1 = 0, self.w, 0, self.h
            if self.parallel or t.min() > 0.05:  # otherwise part of it is behind: look everywhere
                x0, y0 = max(int(u.min()), 0), max(int(v.min()), 0)
                x1, y1 = min(int(u.max()) + 2, self.w), min(int(v.max()) + 2, self.h)
            if x0 >= x1 or y0 >= y1 or (t.max() < 0 and not self.parallel):
                continue
            win = (slice(y0, y1), slice(x0, x1))
            new = s.hit(o[win] if self.parallel else o, d if self.parallel else d[win], float(near))
            closer = new < depth[win]
            depth[win] = np.where(closer, new, depth[win])
            index[win] = np.where(closer, k, index[win])
        return depth, index


@dataclass
class Light:
    """A shadow map with its colour; `spread` jitters the look-up (pixels) into a soft edge."""

    cam: Camera
    colour: Array
    shapes: Sequence[Shape]
    spread: float = 1.5
    dark: float = 0.0  # what still arrives in shadow

    def shine(self, p: Array, n: Array) -> tuple[Array, Array]:
        """Visibility, and cosine (with the fall-off of a window point) at surface points."""
        depth, _ = self.cam.trace([s for s in self.shapes if s.cast])
        texel = 1 / self.cam.f if self.cam.parallel else 0.006
        u, v, t = self.cam.project(f32(p + n * (0.02 + texel * (1 + self.spread))))
        jit = DITHER.uniform(-self.spread, self.spread, (2, len(p)))
        i, j = np.rint(v + jit[0]).astype(np.int64), np.rint(u + jit[1]).astype(np.int64)
        inside = (i >= 0) & (i < self.cam.h) & (j >= 0) & (j < self.cam.w)
        seen = ~inside | (depth[i.clip(0, self.cam.h - 1), j.clip(0, self.cam.w - 1)] > t - 0.01)
        fall = np.ones(len(p), np.float32)
        to = np.broadcast_to(-self.cam.r[2], p.shape)
        if not self.cam.parallel:
            to = self.cam.o - p
            dist = np.linalg.norm(to, axis=1)
            to = f32(to / dist[:, None])
            fall = f32(np.maximum(-(to @ self.cam.r[2]), 0.02) / (0.3 + dist**2))
        return f32(np.where(seen, 1, self.dark)), f32(np.maximum((n * to).sum(1), 0) * fall)


def toward(forward: Vec, at: Vec, half: Vec, px_per_m: float) -> Camera:
    """Return a parallel camera looking along `forward` that covers the box `at` +- `half`."""
    z = unit(f32(forward))
    x = unit(np.cross([0, 1, 0] if abs(z[1]) < 0.99 else [0, 0, 1], z).astype(np.float32))
    r = f32([x, np.cross(z, x), z])
    w, h, _ = 2 * np.abs(r) @ f32(half) * px_per_m
    return Camera(int(w), int(h), px_per_m, w / 2, h / 2, r, f32(at), parallel=True)


def sky_dome(count: int, full: bool) -> list[Array]:
    """Spread directions evenly over the upper half (or the `full` sphere) by the golden angle."""
    k = np.arange(count) + 0.5
    y = 1 - k / count * (2 if full else 1)
    return [f32([np.cos(2.39996 * i) * np.sqrt(1 - h * h), -h, np.sin(2.39996 * i) * np.sqrt(1 - h * h)])
            for i, h in zip(k, y, strict=True)]  # fmt: skip


@dataclass
class Scene:
    """Shapes, lights and surroundings."""

    cam: Camera
    shapes: list[Shape]
    lights: list[Light]
    around: Callable[[Array, Array], Array]  # light coming along a direction to a point: sky, reflections
    ambient: Callable[[Array, Array], Array]  # light from everywhere that needs no shadow map
    haze: float  # metres over which 63 % of the contrast is lost
    exposure: float


def render(scene: Scene, name: str) -> None:
    """Draw `scene` and its depth."""
    c, s = scene.cam, SUPER
    big = Camera(c.w * s, c.h * s, c.f * s, (c.cx + 0.5) * s - 0.5, (c.cy + 0.5) * s - 0.5, c.r, c.o)
    depth, index = big.trace(scene.shapes)
    o, d = big.rays()
    d, t, index = d.reshape(-1, 3), depth.ravel(), index.ravel()
    colour = scene.around(np.broadcast_to(o.reshape(1, 3), d.shape), unit(d))
    order = np.argsort(index, kind="stable")
    order = order[np.searchsorted(index[order], 0) :]
    p, look = o.reshape(1, 3) + t[order, None] * d[order], unit(d[order])
    n, albedo = np.empty_like(p), np.empty_like(p)
    gloss, glow = np.zeros(len(p), np.float32), np.zeros((len(p), 1), np.float32)
    bounds = np.searchsorted(index[order], np.arange(len(scene.shapes) + 1))
    for k, shape in enumerate(scene.shapes):
        w = slice(bounds[k], bounds[k + 1])
        if bounds[k] == bounds[k + 1]:
            continue
        foot = t[order[w]] / big.f
        hit = shape.at(p[w], foot)
        hit.foot = foot / np.sqrt(np.maximum(np.abs((hit.n * look[w]).sum(1)), 0.02))
        hit.n *= np.where((hit.n * look[w]).sum(1, keepdims=True) > 0, -1, 1)  # the far side, through a hole
        surf = shape.material(hit)
        if surf.bump:
            q = hit.p * f32([1, 1.3, 0.8])
            tilt = [ROUGH(q[:, a] + 3 * q[:, b], q[:, b] - q[:, a] + q[:, e], 7.0, hit.foot) for a, b, e in
                    ((0, 1, 2), (1, 2, 0), (2, 0, 1))]  # fmt: skip
            hit.n = unit(hit.n + surf.bump * np.stack(tilt, -1))
        n[w], albedo[w], gloss[w], glow[w] = hit.n, surf.albedo, surf.gloss, np.reshape(surf.glow, (-1, 1))
    light = scene.ambient(p, n)
    mirror = look - 2 * (look * n).sum(1, keepdims=True) * n
    shine = np.zeros_like(light)
    for lamp in scene.lights:
        seen, cos = lamp.shine(p, n)
        light += (seen * cos)[:, None] * lamp.colour
        if lamp.cam.parallel and lamp.colour.max() > 2:  # the sun
            spot = np.maximum((mirror * -lamp.cam.r[2]).sum(1), 0) ** 150
            shine += (seen * spot)[:, None] * lamp.colour * 4
    fresnel = gloss * (0.05 + 0.95 * (1 - np.abs((look * n).sum(1))) ** 5)
    rgb = albedo * (light + glow) + fresnel[:, None] * (scene.around(p, mirror) + shine)
    clear = np.exp(-t[order] / scene.haze)
    colour[order] = mix([0.80, 0.86, 0.93], rgb, f32(clear))
    image = np.minimum(colour, 2.2 / scene.exposure).reshape(c.h, s, c.w, s, 3).mean((1, 3))

    flat, _ = c.trace(scene.shapes)
    stored = np.where(flat < 255, np.rint(flat * 256), 0).astype(np.uint16)
    cv2.imwrite(str(OUT / f"{name}_depth.png"), stored, [cv2.IMWRITE_PNG_COMPRESSION, 9])

    rng = np.random.default_rng(11)
    y, x = np.mgrid[: c.h, : c.w]
    image *= (1 - 0.28 * ((x - c.w / 2) ** 2 + (y - c.h / 2) ** 2) / (c.w / 2) ** 2 / 1.2)[..., None]  # vignette
    image = scene.exposure * image + 0.012 * cv2.GaussianBlur(np.minimum(image, 2), (0, 0), 12)  # lens glare
    image = image**1.17 * (1 + image / 6) / (1 + image * 0.72)  # toe and shoulder of film
    image = np.clip(image, 0, 1) ** (1 / 2.2)
    image = cv2.GaussianBlur(image, (0, 0), 0.5)
    image += rng.standard_normal(image.shape) * 0.008 + rng.standard_normal((c.h, c.w, 1)) * 0.006
    out = np.clip(image * 255, 0, 255).round().astype(np.uint8)[..., ::-1]
    cv2.imwrite(str(OUT / f"{name}.jpg"), out, [cv2.IMWRITE_JPEG_QUALITY, 92])


def plain(colour: Vec, rough: float = 0.06, gloss: float = 0.0, period: float = 2.0, bump: float = 0.0) -> Material:
    """Return one colour with a little fractal variation."""

    def material(h: Hit) -> Surface:
        u, v = h.p[:, 0] + 0.7 * h.p[:, 2], h.p[:, 1] + 0.3 * h.p[:, 2]
        tone = 1 + rough * (ROUGH(u, v, period, h.foot) + CLOUD(u, v, 6 * period, h.foot))
        return Surface(f32(colour) * np.clip(tone, 0.1, 2)[:, None], gloss, bump=bump)

    return material


# ----------------------------------------------------------------------------------------------- the street
GROUND = 1.65  # camera height
KERBS = (-7.4, 4.15)  # left and right edge of the road


def road(h: Hit) -> Surface:
    """Asphalt with grain, mended patches, cracks, tyre tracks and worn markings."""
    x, z, ft = h.p[:, 0], h.p[:, 2], h.foot
    tone = 0.135 + 0.026 * ROUGH(x, z, 2.3, ft) + 0.016 * CLOUD(x, z * 0.3, 11, ft) + 0.012 * CLOUD(z, x, 50.0, ft)
    for x0, x1, z0, z1 in ((-1.2, 0.5, 8.4, 12.5), (0.9, 2.4, 17, 31), (-5.2, -3.4, 13, 19), (-3.0, -1.9, 30, 47)):
        e = CLOUD(x + z, z - x, 6.0, ft) * 0.03
        tone -= 0.040 * ((x + e > x0) & (x + e < x1) & (z + e > z0) & (z + e < z1))
    for lane in (-0.85, 0.75, -4.2, -2.7):  # where wheels run
        tone += 0.014 * np.exp(-(((x - lane - 0.06) / 0.28) ** 2))
    crack = np.abs(LEAF(x, z * 0.4, 31.0, ft) + 0.4)
    tone *= 1 - 0.5 * (crack < 0.03 + ft) * np.minimum(1, 0.03 / (ft + 1e-4)) * (CLOUD(z, x, 60.0) > 0.2)
    lid = np.hypot(x - 1.25, z - 9.2)
    tone *= 1 - (lid < 0.34) * (0.35 + 0.25 * (np.abs(lid - 0.3) < 0.02) + 0.1 * (np.mod(x * 14, 1) < 0.4))
    worn = step(-1.6, -0.4, ROUGH(x, z, 1.1, ft) + 0.6 * CLOUD(x, z, 9.0, ft))
    dash = (np.abs(x + 1.72) < 0.065) & (np.mod(z - 1, 9) < 4.5)
    edge = (np.abs(x - 1.98) < 0.05) & (np.mod(z, 1.0) < 0.5)
    tone += 0.30 * worn * (dash | edge)
    gutter = step(0.5, 0.05, np.minimum(x - KERBS[0], KERBS[1] - x))
    tone *= 1 - 0.25 * gutter
    return Surface(f32(tone)[:, None] * f32([1.0, 0.985, 0.96]), 0.12, bump=0.05)


def slabs(h: Hit) -> Surface:
    """Concrete pavement slabs."""
    x, z, ft = h.p[:, 0], h.p[:, 2], h.foot
    u, v = x / 0.4, z / 0.4 + 0.5 * np.floor(x / 0.4)
    joint = np.minimum(np.abs(u - np.rint(u)), np.abs(v - np.rint(v))) < 0.02 + ft
    tone = 0.30 + 0.05 * (cell(np.floor(u), np.floor(v)) - 0.5) + 0.025 * ROUGH(x, z, 2.0, ft) + 0.02 * CLOUD(x, z, 9.0)
    tone *= 1 - 0.4 * joint * np.minimum(1, 0.03 / (ft + 1e-4))
    return Surface(f32(tone)[:, None] * f32([1, 0.97, 0.92]))


def grass(h: Hit) -> Surface:
    """Grass with dry spots."""
    x, z, ft = h.p[:, 0], h.p[:, 2], h.foot
    tone = np.clip(1 + 0.35 * ROUGH(x * 2, z, 1.7, ft) + 0.2 * CLOUD(x, z, 13.0, ft), 0.2, 2)
    dry = step(0, 1.8, CLOUD(z, x, 19.0, ft) + 0.4 * ROUGH(x, z, 3.0, ft))
    return Surface(mix([0.095, 0.135, 0.04], [0.21, 0.19, 0.09], dry) * tone[:, None], bump=0.25)


def leaves(colour: Vec) -> Material:
    """Foliage: speckled light and dark."""

    def material(h: Hit) -> Surface:
        x, y, z = h.p.T
        tone = np.exp(0.42 * np.clip(ROUGH(x + 0.7 * z, y - 0.4 * z, 3.1, h.foot), -2, 2)
                      + 0.25 * CLOUD(x, y + z, 5.0, h.foot))  # fmt: skip
        return Surface(f32(colour) * tone[:, None], 0.05, bump=0.55)

    return material


def facade(colour: Vec, brick: bool, seed: float, storey: float = 2.9, pitch: float = 2.7) -> Material:
    """House front: render or brick, rows of windows with frames and curtains, a plinth, doors."""

    def material(h: Hit) -> Surface:
        side = np.abs(h.n[:, 0]) > 0.7
        u = np.where(side, h.q[:, 2], h.q[:, 0]) + 100 * pitch
        v, ft = GROUND - h.p[:, 1], h.foot  # height above the street
        tone = 1 + 0.04 * ROUGH(u, v, 3.0, ft) + 0.05 * CLOUD(u, v * 0.4, 14.0, ft)
        if brick:
            row = np.floor(v / 0.08)
            b = u / 0.25 + 0.5 * np.mod(row, 2)
            mortar = (np.abs(b - np.rint(b)) < 0.03) | (np.mod(v, 0.08) < 0.012)
            near = np.minimum(1, 0.03 / (ft + 1e-4))
            tone += near * (0.35 * (cell(row, np.floor(b)) - 0.5) + 0.4 * mortar)
        rgb = f32(colour) * tone[:, None]
        rgb = mix(rgb, [0.16, 0.15, 0.14], f32(0.8 * (v < 0.55)))
        i, j = np.floor(u / pitch), np.floor(v / storey)
        r = cell(i + seed, j)
        du, dv = np.mod(u, pitch) - pitch / 2, np.mod(v, storey) - 1.65
        door = (j == 0) & (np.mod(i + seed, 4) < 1)
        hw = 0.5 + 0.12 * (cell(j, i * 0 + seed) > 0.5)
        out = np.maximum(np.abs(du) - hw, np.abs(dv) - 0.72)
        out = np.where(door, np.maximum(np.abs(du) - 0.5, np.abs(v - 1.2) - 1.05), out)
        rgb = mix(rgb, [0.55, 0.53, 0.49], f32(0.8 * ((out < 0.12) & (out > 0))))
        sill = (np.abs(du) < hw + 0.12) & (np.abs(dv + 0.80) < 0.05) & ~door
        rgb = mix(rgb, [0.4, 0.39, 0.37], f32(0.9 * sill))
        frame = (out < 0) & ((out > -0.075) | (np.abs(du) < 0.035) | (np.abs(dv - 0.3) < 0.03))
        glass = (out < 0) & ~frame & ~door & (np.abs(h.n[:, 1]) < 0.5)
        curtain = (np.abs(du) > hw * (0.4 + 0.5 * r)) | (r > 0.72) * (dv > 1.1 - 1.7 * r)
        pane = mix([0.022, 0.024, 0.028], [0.30, 0.29, 0.27], f32(0.55 * curtain))
        pane *= np.where(dv > 0.52, 0.55, 1)[:, None]  # the lintel's shade
        rgb = mix(rgb, np.where((r > 0.3)[:, None], [0.62, 0.61, 0.58], [0.2, 0.13, 0.09]), f32(frame & ~door))
        rgb = mix(rgb, [0.12, 0.08, 0.06] if seed % 2 else [0.08, 0.12, 0.10], f32(door & (out < 0)))
        rgb = np.where(glass[:, None], pane, rgb)
        return Surface(f32(rgb), f32(np.where(glass, 1.0, 0.0)))

    return material


def sign(h: Hit) -> Surface:
    """No-parking sign."""
    ring = (np.hypot(h.q[:, 0], h.q[:, 2]) > 0.78) | (np.abs(h.q[:, 0] + h.q[:, 2]) < 0.18)
    return Surface(mix([0.03, 0.08, 0.25], [0.40, 0.04, 0.035], f32(ring)), 0.2)


def tiles(h: Hit) -> Surface:
    """Roof tiles."""
    u, v, ft = h.p[:, 2] + h.p[:, 0] * 0.2, h.p[:, 1], h.foot
    tone = 1 + 0.18 * ROUGH(u, v, 3.0, ft) + 0.12 * CLOUD(u, v, 8.0, ft) - 0.35 * (np.mod(v, 0.22) < 0.05)
    return Surface(f32([0.24, 0.105, 0.07]) * tone[:, None])


def car(x: float, z: float, paint: Vec, yaw: float = 0, s: Vec = (1, 1, 1)) -> list[Shape]:
    """A hatchback whose rear bumper's middle is at (x, z); yaw 180 faces the camera."""
    w, n = 0.88, turn(yaw)

    def body(h: Hit) -> Surface:
        ax, y, z = np.abs(h.q[:, 0]), -h.q[:, 1], h.q[:, 2]
        rear, front, gloss = (z < 0.24) & (h.n @ n[2] < -0.3), (z > 3.8) & (h.n @ n[2] > 0.25), np.full(len(z), 0.9)
        rgb = f32(paint) * (1 + 0.02 * ROUGH(ax, y + z, 1.0, h.foot))[:, None]
        gap = (np.abs(z - 1.12) < 0.012) | (np.abs(z - 2.05) < 0.012) | (np.abs(z - 2.95) < 0.012)
        gap &= (ax > w - 0.1) & (y > 0.3)
        gap |= rear & (np.abs(y - 0.52) < 0.012)
        handle = (ax > w - 0.08) & (np.abs(y - 0.78) < 0.02) & ((np.abs(z - 1.27) < 0.1) | (np.abs(z - 2.2) < 0.1))
        rgb = mix(rgb, [0.02, 0.02, 0.02], f32(0.8 * gap + 0.5 * (handle & ~gap)))
        low = (y < 0.33) | (rear & (y < 0.40) & (ax < 0.62))
        grille = front & (ax < 0.50) & (np.abs(y - 0.40) < 0.09) | front & (ax < 0.36) & (np.abs(y - 0.64) < 0.035)
        rgb = mix(rgb, [0.025, 0.025, 0.027], f32(low | grille))
        lamp = rear & (ax > 0.60 + 0.3 * np.abs(y - 0.74)) & (np.abs(y - 0.76) < 0.12)
        rgb = mix(rgb, [0.17, 0.008, 0.008], f32(lamp))
        rgb = mix(rgb, [0.34, 0.22, 0.20], f32(lamp & (np.abs(y - 0.71) < 0.022)))
        head = front & (ax > 0.46) & (np.abs(y - 0.64) < 0.075)
        rgb = mix(rgb, [0.75, 0.76, 0.78], f32(head))
        rgb = mix(rgb, [0.2, 0.2, 0.22], f32(head & (np.hypot(ax - 0.62, y - 0.63) < 0.06)))
        py = np.where(rear, 0.60, 0.42)
        plate = (rear | front) & (ax < 0.26) & (np.abs(y - py) < 0.056)
        rgb = mix(rgb, [0.42, 0.42, 0.40], f32(plate))
        sx = (h.q[:, 0] + 0.3) / 0.055
        ink = plate & (ax < 0.21) & (np.abs(y - py) < 0.036) & (np.mod(sx, 1) < 0.55) & (cell(np.floor(sx)) > 0.25)
        rgb = mix(rgb, [0.03, 0.03, 0.03], f32(ink))
        gloss[low | plate | gap] = 0.15
        return Surface(rgb, f32(gloss))

    def cabin(h: Hit) -> Surface:
        z, flat = h.q[:, 2], h.n[:, 1] > -0.90
        pillar = (np.abs(z - 1.95) < 0.05) | (np.abs(z - 0.98) < 0.045)
        pillar &= np.abs(h.n @ n[0]) > 0.7
        glass = flat & (h.edge > 0.055) & ~pillar
        seats = np.abs(np.abs(h.q[:, 0]) - 0.36) < 0.17
        rgb = mix(paint, [0.015, 0.017, 0.02], f32(glass | (flat & pillar)))
        rgb = mix(rgb, [0.05, 0.05, 0.052], f32(glass & seats & (h.q[:, 1] > -1.22)))
        return Surface(rgb, f32(np.where(glass, 1.4, 0.9)))

    def tyre(h: Hit) -> Surface:
        rad = np.hypot(h.q[:, 0], h.q[:, 2])
        spoke = (rad < 0.66) & ((np.mod(np.arctan2(h.q[:, 0], h.q[:, 2]) * 5 / 6.2832, 1) < 0.6) | (rad < 0.22))
        return Surface(mix([0.022, 0.022, 0.022], [0.33, 0.33, 0.34], f32(spoke & (np.abs(h.q[:, 1]) > 0.99))), 0.1)

    at = f32([x, GROUND, z])

    def put(p: Vec) -> Array:
        return f32(at + (f32(p) * f32(s)) @ n)

    sides: list[Cut] = [((k * 0.97, -0.26, 0), (k * w, -0.66, 0)) for k in (-1, 1)]
    sides += [((k * 0.9, 0.43, 0), (k * w, -0.42, 0)) for k in (-1, 1)]
    sides += [((k * 0.35, 0, 0.94), (k * 0.6, 0, 4.2)) for k in (-1, 1)]
    sides += [((k * 0.8, 0, 0.6), (k * 0.8, 0, 4.0)) for k in (-1, 1)]
    sides += [((k * 0.30, 0, -0.95), (k * 0.60, 0, 0)) for k in (-1, 1)]
    sides += [((k * 0.75, 0, -0.66), (k * 0.82, 0, 0.09)) for k in (-1, 1)]
    profile: list[Cut] = [((0, -0.97, 0.2), (0, -0.95, 3.0)), ((0, -0.6, 0.8), (0, -0.70, 4.12))]
    profile += [((0, 0.7, 0.7), (0, -0.33, 4.2)), ((0, -0.35, -0.94), (0, -0.80, 0)), ((0, 0.6, -0.8), (0, -0.36, 0))]
    glass: list[Cut] = [((k * 0.94, -0.34, 0), (k * 0.83, -0.92, 0)) for k in (-1, 1)]
    glass += [((k * 0.36, -0.933, 0), (k * 0.48, -1.48, 0)) for k in (-1, 1)]
    glass += [((k * 0.45, -0.2, -0.9), (k * 0.71, -1.2, 0.27)) for k in (-1, 1)]
    glass += [((0, -0.42, -0.9), (0, -0.95, 0.13)), ((0, -0.86, 0.5), (0, -0.95, 3.15)),
              ((0, -0.975, 0.22), (0, -1.48, 1.9)), ((0, -0.97, -0.24), (0, -1.47, 0.80))]  # fmt: skip
    dark = plain([0.012, 0.012, 0.012])
    out = [convex(at, (-w, -0.95, 0), (w, -0.20, 4.2), body, yaw, sides + profile, s, 0.05),
           convex(at, (-0.84, -1.49, 0.05), (0.84, -0.86, 3.3), cabin, yaw, glass, s, 0.02)]  # fmt: skip
    for wx in (-0.77, 0.77):
        for wz in (0.75, 3.35):
            out.append(tube(put((wx * 0.985, -0.33, wz)), 0.37 * s[1], 0.265 * s[0], dark, yaw, 90))
            out.append(tube(put((wx * 1.01, -0.31, wz)), 0.31 * s[1], 0.24 * s[0], tyre, yaw, 90))
        out.append(ball(put((wx * 1.2, -0.98, 2.75)), (0.1, 0.075, 0.06), plain(paint, 0, 0.8), yaw=yaw))
    return out


def tree(x: float, z: float, height: float, width: float, colour: Vec, rng: np.random.Generator,
         count: int = 70, cut: float = -0.1) -> list[Shape]:  # fmt: skip
    """Trunk, and a crown of leafy blobs with holes."""
    bark = plain([0.105, 0.085, 0.065], 0.25, period=1.0, bump=0.3)
    out = [tube((x, GROUND - height * 0.3, z), 0.045 * height**0.75, height * 0.6, bark)] if count > 20 else []
    for _ in range(count):
        d = unit(f32(rng.standard_normal(3))) * rng.uniform(0.25, 0.95)
        c = (x + d[0] * width, GROUND - height * 0.66 + d[1] * height * 0.32, z + d[2] * width)
        r = width * rng.uniform(0.2, 0.42)
        out.append(ball(c, (r, r * 0.8, r), leaves(f32(colour) * rng.uniform(0.75, 1.25)), cut))
    return out


def house(x: float, z: float, size: Vec, mat: Material) -> list[Shape]:
    """House with a gable roof; `size` is across the street, eaves height, along the street."""
    w, h, d = size
    roof: list[Cut] = [((k * 0.68, -0.73, 0), (k * (w / 2 + 0.3), 0, 0)) for k in (-1, 1)]
    chimney = plain([0.23, 0.12, 0.09], 0.15)
    return [box((x, GROUND - h / 2, z), (w, h, d), mat),
            convex((x, GROUND - h, z), (-w / 2 - 0.3, -w / 2, -d / 2 - 0.2), (w / 2 + 0.3, 0.12, d / 2 + 0.2), tiles,
                   cuts=roof),
            box((x, GROUND - h - w * 0.42, z + d * 0.2), (0.7, 1.8, 0.9), chimney)]  # fmt: skip


def street_sky(_: Array, d: Array) -> Array:
    """Sky with soft clouds above, hazy trees at the horizon, road below (the last two for reflections)."""
    up = -d[:, 1]
    k = 1 / np.maximum(up + 0.12, 0.05)
    cloud = step(-0.3, 1.5, CLOUD(d[:, 0] * k, d[:, 2] * k, 9.0) + 0.12 * ROUGH(d[:, 0] * k, d[:, 2] * k, 6.0))
    blue = mix([1.0, 1.08, 1.16], [0.30, 0.52, 0.95], step(-0.05, 0.75, up))
    sky = mix(blue, [1.45, 1.45, 1.45], f32(cloud * 0.85))
    wall = mix([0.13, 0.14, 0.12], [0.05, 0.07, 0.03], step(-0.5, 0.5, CLOUD(d[:, 0], d[:, 2], 2.0)))
    low = mix(wall, [0.17, 0.17, 0.165], step(0.02, -0.08, up))
    top = 0.10 + 0.06 * CLOUD(np.arctan2(d[:, 0], np.abs(d[:, 2])), np.zeros_like(up), 4.0)
    return mix(low, sky, step(0, 0.05, up - top * (d[:, 2] < 0.93)))


def street() -> Scene:
    """A residential street as from a car's windscreen, with the KITTI camera."""
    rng = np.random.default_rng(3)
    stone, mid = plain([0.36, 0.35, 0.33], 0.1), (KERBS[0] + KERBS[1]) / 2
    shapes = [box((mid, GROUND + 0.5, 100), (KERBS[1] - KERBS[0], 1, 400), road, cast=False)]
    for side, edge in ((-1, KERBS[0]), (1, KERBS[1])):
        shapes += [
            box((edge + side * 0.08, GROUND + 0.38, 100), (0.16, 1, 400), stone, bevel=0.02),
            box((edge + side * 1.16, GROUND + 0.39, 100), (2.0, 1, 400), slabs, cast=False),
            box((edge + side * 27.16, GROUND + 0.39, 100), (50, 1, 400), grass, cast=False),
        ]
    shapes += car(0.12, 14.0, [0.055, 0.075, 0.12])
    shapes += car(3.2, 9.6, [0.30, 0.31, 0.32], 1) + car(3.15, 20.5, [0.20, 0.022, 0.02], -1, (1, 1.06, 1.02))
    shapes += car(3.2, 26.5, [0.03, 0.03, 0.032]) + car(3.25, 39, [0.5, 0.5, 0.49], 0, (1.05, 1.3, 1.1))
    shapes += car(3.2, 52, [0.1, 0.13, 0.2]) + car(-6.4, 19.5, [0.045, 0.05, 0.05], 180, (1, 1.05, 1.03))
    shapes += car(-6.45, 25.8, [0.33, 0.34, 0.35], 181) + car(-6.4, 38, [0.07, 0.1, 0.16], 180)
    shapes += car(-6.4, 44, [0.4, 0.39, 0.36], 180) + car(-3.5, 34, [0.48, 0.48, 0.47], 180)
    colours = ([0.50, 0.46, 0.38], [0.27, 0.13, 0.095], [0.52, 0.51, 0.48], [0.48, 0.36, 0.22], [0.40, 0.40, 0.38])
    for i, (z, d) in enumerate(((8.0, 13), (24, 14), (41, 15), (58, 13), (76, 16), (96, 18))):
        a, b = colours[i % 5], colours[(3 * i + 2) % 5]
        shapes += house(-16.5 - (i % 2), z + 3, (9, 6.0 + (i % 3) * 0.6, d), facade(a, a[0] < 0.3, i))
        shapes += house(14.2 + (i % 2), z + 1, (9, 5.9 + ((i + 1) % 3) * 0.6, d), facade(b, b[0] < 0.3, i + 7))
    for x, z, h, w in ((7.5, 17, 6.5, 1.7), (7.4, 33, 7.5, 2.0), (7.6, 50, 7, 2.1), (-10.6, 15.5, 6, 1.7),
                       (-10.8, 31, 8, 2.2), (-10.6, 47, 7.5, 2.1), (7.7, 70, 8, 2.4), (-10.7, 68, 8, 2.4)):  # fmt: skip
        shapes += tree(x, z, h, w, rng.uniform([0.045, 0.07, 0.018], [0.075, 0.10, 0.03]), rng, 130 if z < 40 else 60)
    for k in range(9):  # the far end
        shapes += tree(-30 + 7.5 * k, 118 + 6 * (k % 3), 12, 4.6, [0.055, 0.075, 0.03], rng, 40, -0.3)
        shapes += tree(-30 + 7.5 * k, 112, 3.0, 5, [0.055, 0.075, 0.03], rng, 20, -0.8)
    for x, z in ((9.2, 12), (9.3, 14), (9.2, 16.2), (-12.2, 20), (-12.3, 22), (-12.2, 24.4), (9.3, 27), (9.2, 29)):
        shapes += tree(x, z, 1.3, 1.1, [0.07, 0.10, 0.03], rng, 20, -0.2)
    steel = plain([0.22, 0.23, 0.23], 0.05, 0.3)
    for x, z in ((5.0, 24.0), (-8.2, 29.0), (5.0, 58.0)):
        shapes += [
            tube((x, GROUND - 3.5, z), 0.07, 7, steel),
            box((x - np.sign(x) * 0.5, GROUND - 7, z), (1.2, 0.1, 0.2), steel),
        ]
    shapes += [tube((4.75, GROUND - 1.25, 16.0), 0.03, 2.5, steel)]
    shapes += [tube((4.75, GROUND - 2.3, 15.95), 0.30, 0.03, sign, 90, 90)]
    sun = [0.55, 0.62, 0.42]  # the way its light goes: from the left, behind
    lights = [Light(toward(sun, (-1, -3, 45), (20, 6, 50), 22), f32([3.3, 3.0, 2.5]), shapes)]
    dome = sky_dome(22, full=False)
    total = sum(-d[1] for d in dome)
    for way in dome:
        tint = f32([0.92, 1.04, 1.22]) * 0.8 / total
        lights.append(Light(toward(-way, (-1, -3, 42), (20, 6, 46), 6), f32(tint), shapes, 1.2, 0.06))

    def ambient(p: Array, n: Array) -> Array:
        near = 1 - 0.6 * np.exp(-np.maximum(GROUND - p[:, 1], 0) / 0.25) * (n[:, 1] > -0.7)
        return f32((0.03 + 0.11 * (0.5 + 0.5 * n[:, 1]) * near)[:, None] * f32([1.0, 0.97, 0.9]))

    cam = Camera(1242, 375, 721.5377, 609.5593, 172.854)  # KITTI's left colour camera
    return Scene(cam, shapes, lights, street_sky, ambient, 600.0, 0.88)


# ------------------------------------------------------------------------------------------------- the room
FLOOR = 1.35  # camera height
WALLS = (-2.2, 2.3, -1.2, 4.6)  # left, right, behind, far
CEILING = -1.25
PANE = (3.15, 4.15, -0.8, 0.3)  # the window in the left wall: z from, to, y from, to


def planks(h: Hit) -> Surface:
    """Oak floor boards with grain."""
    x, z, ft = h.p[:, 0], h.p[:, 2], h.foot
    i = np.floor(x / 0.14)
    j = np.floor((z + 3 * cell(i)) / 1.2)
    tone = 0.82 + 0.36 * cell(i, j) + 0.07 * ROUGH(x * 7 + 3 * i, z + j, 4.0, ft) + 0.10 * LEAF(x * 6 + i, z * 0.5 + j, 3.0, ft)
    ex, ez = np.mod(x, 0.14), np.mod(z + 3 * cell(i), 1.2)
    seam = (np.minimum(ex, 0.14 - ex) < 0.0015 + ft / 2) | (np.minimum(ez, 1.2 - ez) < 0.0015 + ft / 2)
    tone *= 1 - 0.55 * seam * np.minimum(1, 0.003 / (ft + 1e-4))
    return Surface(mix([0.30, 0.165, 0.08], [0.36, 0.22, 0.12], cell(i, j + 0.5)) * tone[:, None], 0.45, bump=0.012)


def wood(colour: Vec, gloss: float = 0.25) -> Material:
    """Furniture wood, grain along the longest way."""

    def material(h: Hit) -> Surface:
        u, v = h.q[:, 0] + 0.3 * h.q[:, 1], h.q[:, 2] * 6 + h.q[:, 1] * 5
        tone = 1 + 0.12 * LEAF(u, v, 3.0, h.foot) + 0.07 * ROUGH(u * 0.6, v, 2.0, h.foot)
        tone *= 1 - 0.35 * np.exp(-h.edge / 0.004)
        return Surface(f32(colour) * tone[:, None], gloss)

    return material


def cloth(colour: Vec, weave: float = 0.16) -> Material:
    """Woven fabric, worn and creased."""

    def material(h: Hit) -> Surface:
        u, v = h.p[:, 0] + 0.6 * h.p[:, 2], h.p[:, 1] + 0.5 * h.p[:, 2]
        tone = 1 + weave * ROUGH(u, v, 0.9, h.foot) + 0.07 * CLOUD(u, v, 2.0, h.foot)
        tone *= 1 - 0.12 * np.exp(-h.edge / 0.006)
        return Surface(f32(colour) * np.clip(tone, 0.2, 2)[:, None], bump=0.10)

    return material


def carpet(h: Hit) -> Surface:
    """Rug with a border and a faded pattern."""
    x, z, ft = h.q[:, 0], h.q[:, 2], h.foot
    inner = np.minimum(1.0 - np.abs(x), 0.75 - np.abs(z))
    rgb = mix([0.20, 0.06, 0.05], [0.07, 0.07, 0.10], f32((inner < 0.2) & (inner > 0.06)))
    line = (np.abs(inner - 0.2) < 0.012) | (np.abs(inner - 0.06) < 0.012)
    star = (np.cos(x * 21) + np.cos(z * 21) > 1.1) | (np.abs(np.cos(x * 10.5) * np.cos(z * 10.5)) < 0.06)
    rgb = mix(rgb, [0.34, 0.28, 0.20], f32(0.7 * (line | (star & (inner > 0.2)))))
    tone = np.clip(1 + 0.22 * ROUGH(x, z, 1.0, ft) + 0.12 * CLOUD(x, z, 2.5, ft), 0.2, 2)
    return Surface(rgb * tone[:, None], bump=0.2)


def panels(h: Hit) -> Surface:
    """Door leaf: four sunk panels, a handle."""
    x, y = np.abs(h.q[:, 0]), h.q[:, 1]
    e = np.minimum(0.12 - np.abs(x - 0.2), np.where(y < 0.1, 0.42 - np.abs(y + 0.42), 0.32 - np.abs(y - 0.55)))
    tone = 1 - 0.35 * np.exp(-((e / 0.008) ** 2)) + 0.06 * np.exp(-(((e - 0.018) / 0.008) ** 2))
    knob = np.hypot(h.q[:, 0] + 0.34, (y - 0.07) * 1.0) < 0.035
    rgb = f32([0.56, 0.53, 0.47]) * (tone + 0.02 * ROUGH(x, y, 2.0, h.foot))[:, None]
    return Surface(mix(rgb, [0.2, 0.17, 0.12], f32(knob)), 0.2)


def painting(h: Hit) -> Surface:
    """Framed landscape: hills, a lake, a sky."""
    x, y = h.q[:, 0], h.q[:, 1]
    sky = mix([0.50, 0.52, 0.50], [0.20, 0.30, 0.45], step(0.1, -0.3, y + 0.08 * CLOUD(x, y * 3, 1.5)))
    hill = y > 0.02 + 0.05 * CLOUD(x, x * 0, 1.7)
    land = mix([0.07, 0.11, 0.06], [0.24, 0.20, 0.07], step(-1, 1, LEAF(x, y * 2, 1.0, h.foot)))
    rgb = np.where(hill[:, None], land, sky)
    rgb = mix(rgb, [0.25, 0.33, 0.38], f32((np.abs(y - 0.16) < 0.045) & (x > -0.2 + y)))
    e = np.minimum(0.45 - np.abs(x), 0.32 - np.abs(y))
    rgb = mix(rgb, [0.62, 0.60, 0.54], f32(e < 0.085))
    return Surface(mix(rgb, [0.07, 0.045, 0.03], f32(e < 0.03)), 0.3)


def outside(h: Hit) -> Surface:
    """Show what the window pane does: an overexposed sky above a garden."""
    z, y = h.p[:, 2], h.p[:, 1]
    rgb = mix([0.5, 0.62, 0.36], [1.0, 1.02, 1.05], step(0.15, -0.05, y + 0.10 * LEAF(z, y, 2.0)))
    return Surface(rgb, 0.0, 4.5)


def chair(x: float, z: float, yaw: float, mat: Material) -> list[Shape]:
    """Wooden chair; its back is on its local +z side."""
    n = turn(yaw)

    def at(p: Vec) -> Array:
        return f32(f32([x, FLOOR, z]) + f32(p) @ n)

    out = [box(at((0, -0.45, 0)), (0.42, 0.035, 0.42), mat, yaw, 0.012)]
    for k in (-0.18, 0.18):
        out += [box(at((k, -0.22, -0.18)), (0.035, 0.44, 0.035), mat, yaw)]
        out += [box(at((k, -0.46, 0.19)), (0.035, 0.92, 0.03), mat, yaw)]
        out += [box(at((k, -0.2, 0)), (0.02, 0.03, 0.36), mat, yaw)]
    out += [box(at((0, -0.62 - 0.13 * k, 0.19)), (0.36, 0.06, 0.018), mat, yaw, 0.006) for k in range(3)]
    return out


def seat(x: float, z: float, width: float, yaw: float, colour: Vec) -> list[Shape]:
    """Sofa or armchair with cushions; its back is on its local +z side."""
    n, mat = turn(yaw), cloth(colour)

    def part(p: Vec, size: Vec, bevel: float, m: Material = mat) -> Shape:
        return box(f32([x, FLOOR, z]) + f32(p) @ n, size, m, yaw, bevel)

    inner = width - 0.36
    many = max(round(inner / 0.65), 1)
    out = [part((0, -0.22, 0), (width, 0.28, 0.8), 0.03), part((0, -0.45, 0.33), (width, 0.76, 0.18), 0.06)]
    out += [part((k * (width / 2 - 0.09), -0.34, -0.02), (0.18, 0.54, 0.82), 0.05) for k in (-1, 1)]
    for i in range(many):
        cx, w = (i - (many - 1) / 2) * inner / many, inner / many - 0.01
        out += [part((cx, -0.43, -0.08), (w, 0.15, 0.66), 0.045), part((cx, -0.66, 0.19), (w, 0.40, 0.16), 0.06)]
    return out


def daylight(p: Array, d: Array) -> Array:
    """Reflected surroundings: warm walls, a light ceiling, and both windows."""
    base = mix([0.20, 0.17, 0.14], [0.55, 0.53, 0.48], step(-0.6, 0.7, -d[:, 1]))
    t = (WALLS[0] - p[:, 0]) / np.minimum(d[:, 0], -1e-3)
    z, y = p[:, 2] + t * d[:, 2], p[:, 1] + t * d[:, 1]
    edge = np.minimum(0.55 - np.abs(z - 3.65), 0.6 - np.abs(y + 0.25))
    return mix(base, [4.2, 4.3, 4.5], step(-0.06, 0.06, edge) * (d[:, 0] < -1e-3))


def room() -> Scene:
    """A living room as from a hand-held camera, with the NYU Depth v2 colour camera."""
    rng = np.random.default_rng(5)
    x0, x1, z0, z1 = WALLS
    mx, mz, my = (x0 + x1) / 2, (z0 + z1) / 2, (FLOOR + CEILING) / 2
    paint, white = plain([0.60, 0.55, 0.45], 0.012, period=3), plain([0.66, 0.65, 0.61], 0.01, 0.15)
    shell = [
        box((mx, FLOOR + 0.5, mz), (9, 1, 9), planks),
        box((mx, CEILING - 0.5, mz), (9, 1, 9), plain([0.7, 0.69, 0.66], 0.01)),
        box((x0 - 0.5, my, mz), (1, 9, 9), paint),
        box((x1 + 0.5, my, mz), (1, 9, 9), paint),
        box((mx, my, z0 - 0.5), (9, 9, 1), paint),
        box((mx, my, z1 + 0.5), (9, 9, 1), plain([0.56, 0.53, 0.46], 0.012, period=3)),
        box((mx, FLOOR - 0.045, z1), (x1 - x0, 0.09, 0.03), white),
        box((x0, FLOOR - 0.045, mz), (0.03, 0.09, z1 - z0), white),
        box((x0, (PANE[2] + PANE[3]) / 2, (PANE[0] + PANE[1]) / 2), (0.02, 1.1, 1.0), outside),
    ]
    for part in shell:
        part.cast = False
    shapes = list(shell)
    for z in (*PANE[:2], sum(PANE[:2]) / 2):  # window frame, sill, curtains, radiator
        shapes.append(box((x0 + 0.03, -0.25, z), (0.06, 1.16, 0.06), white))
    shapes += [box((x0 + 0.03, y, 3.65), (0.06, 0.06, 1.06), white) for y in (-0.8, -0.42, 0.3)]
    shapes.append(box((x0 + 0.1, 0.34, 3.65), (0.24, 0.03, 1.2), white, bevel=0.008))
    shapes.append(box((x0 + 0.1, -0.98, 3.65), (0.03, 0.03, 1.8), wood([0.1, 0.06, 0.04])))
    for k in range(5):
        for z in (2.88 + 0.075 * k, 4.13 + 0.075 * k):
            shapes.append(tube((x0 + 0.1, 0.12, z), 0.048 + 0.008 * (k % 2), 2.2, cloth([0.36, 0.30, 0.24], 0.06)))
    shapes += [box((x0 + 0.09, 0.83, 3.25 + 0.07 * k), (0.09, 0.56, 0.055), white, bevel=0.02) for k in range(12)]

    oak, dark = wood([0.25, 0.13, 0.06]), wood([0.10, 0.052, 0.03])
    sx = -1.68  # bookshelf
    shapes += [box((sx + k * 0.44, FLOOR - 1.0, 4.44), (0.025, 2.0, 0.3), oak) for k in (-1, 1)]
    shapes.append(box((sx, FLOOR - 1.0, 4.585), (0.9, 2.0, 0.02), oak))
    for level in range(6):
        y = FLOOR - 0.05 - 0.385 * level
        shapes.append(box((sx, y, 4.44), (0.88, 0.025, 0.3), oak))
        x = sx - 0.41
        while level < 5 and x < sx + 0.40 - (level % 2) * 0.2:
            w, hgt = rng.uniform(0.018, 0.05), rng.uniform(0.19, 0.31)
            ink = rng.uniform(0.03, 0.32) * (0.6 + 0.4 * rng.random(3)) * f32([1.1, 0.9, 0.75])
            shapes.append(box((x + w / 2, y - 0.0125 - hgt / 2, 4.40), (w, hgt, rng.uniform(0.14, 0.2)),
                              plain(ink, 0.05, 0.15), bevel=0.004))  # fmt: skip
            x += w + 0.002 + (0.03 if rng.random() < 0.1 else 0)
    shapes += [ball((sx + 0.3, FLOOR - 0.55, 4.40), (0.09, 0.11, 0.09), plain([0.1, 0.16, 0.2], 0.05, 0.6))]

    shapes += seat(-0.2, 4.15, 1.9, 0, [0.13, 0.155, 0.18]) + seat(-1.42, 2.72, 0.85, -118, [0.30, 0.22, 0.13])
    for x, yaw, rgb in ((-0.72, 14, [0.36, 0.22, 0.08]), (0.36, -12, [0.45, 0.41, 0.34])):
        shapes.append(box((x, FLOOR - 0.68, 4.03), (0.42, 0.38, 0.13), cloth(rgb), yaw, 0.055))
    shapes.append(box((-0.2, -0.42, 4.585), (0.9, 0.64, 0.03), painting))
    shapes.append(box((1.42, FLOOR - 1.0, 4.58), (0.82, 2.0, 0.05), panels))
    shapes += [box((1.42 + k * 0.45, FLOOR - 1.02, 4.575), (0.08, 2.06, 0.07), white) for k in (-1, 1)]
    shapes.append(box((1.42, FLOOR - 2.05, 4.575), (0.98, 0.08, 0.07), white))
    shapes.append(box((0.88, 0.12, 4.59), (0.08, 0.08, 0.015), white))

    shapes.append(box((-0.35, FLOOR - 0.006, 3.05), (2.0, 0.012, 1.5), carpet, 4))
    shapes.append(box((-0.35, FLOOR - 0.40, 3.05), (1.0, 0.035, 0.55), dark, 6, 0.008))
    shapes += [box((-0.35 + i * 0.44, FLOOR - 0.19, 3.05 + k * 0.2), (0.05, 0.38, 0.05), dark, 6)
               for i in (-1, 1) for k in (-1, 1)]  # fmt: skip
    top = FLOOR - 0.418
    for k, (cover, yaw) in enumerate((([0.25, 0.05, 0.04], 20), ([0.45, 0.43, 0.38], 31), ([0.04, 0.10, 0.14], 12))):
        shapes.append(box((-0.58, top - 0.015 - 0.03 * k, 3.05), (0.24, 0.028, 0.17), plain(cover, 0.05, 0.2), yaw, 0.004))
    shapes.append(ball((-0.18, top - 0.04, 3.1), (0.14, 0.05, 0.14), plain([0.40, 0.38, 0.33], 0.03, 0.6)))
    for dx, dz, fruit in (
        (-0.05, 0, [0.45, 0.20, 0.02]),
        (0.05, 0.02, [0.35, 0.05, 0.03]),
        (0, -0.06, [0.38, 0.36, 0.05]),
    ):
        shapes.append(ball((dx - 0.18, top - 0.095, 3.08 + dz), (0.04, 0.038, 0.04), plain(fruit, 0.1, 0.5)))
    shapes.append(box((0.98, FLOOR - 0.73, 2.35), (0.95, 0.035, 0.8), oak, -5, 0.01))  # dining table
    shapes += [box((0.98 + i * 0.41, FLOOR - 0.36, 2.35 + k * 0.33), (0.06, 0.72, 0.06), oak, -5)
               for i in (-1, 1) for k in (-1, 1)]  # fmt: skip
    top = FLOOR - 0.748
    shapes.append(tube((0.74, top - 0.048, 2.22), 0.04, 0.096, plain([0.10, 0.18, 0.26], 0.03, 0.6)))
    shapes.append(tube((0.74, top - 0.097, 2.22), 0.034, 0.003, plain([0.03, 0.015, 0.008])))
    shapes.append(tube((1.0, top - 0.10, 2.48), 0.055, 0.2, plain([0.5, 0.5, 0.47], 0.03, 0.7)))
    for _ in range(26):
        d = rng.uniform([-0.13, -0.22, -0.13], [0.13, 0.05, 0.13])
        shapes.append(ball((1.0 + d[0], top - 0.3 + d[1], 2.48 + d[2]), (0.045, 0.02, 0.03),
                           leaves([0.07, 0.12, 0.035]), yaw=rng.uniform(0, 180)))  # fmt: skip
    shapes.append(box((0.95, top - 0.004, 2.15), (0.30, 0.006, 0.21), plain([0.6, 0.59, 0.56], 0.03), 12))
    shapes += chair(0.30, 2.45, 82, dark) + chair(0.98, 2.98, 8, dark)
    shapes.append(tube((1.05, FLOOR - 0.75, 4.2), 0.014, 1.5, plain([0.1, 0.09, 0.08], 0.02, 0.6)))  # floor lamp
    shapes.append(tube((1.05, FLOOR - 0.012, 4.2), 0.14, 0.024, plain([0.1, 0.09, 0.08], 0.02, 0.6)))
    shade = plain([0.66, 0.58, 0.44], 0.03)
    shapes.append(tube((1.05, FLOOR - 1.6, 4.2), 0.18, 0.28, lambda h: Surface(shade(h).albedo, 0.0, 0.5)))

    lights: list[Light] = []
    for i in range(12):  # points on the window, and on one behind the camera; maps 140 degrees wide
        u, v = (i % 4 + 0.5) / 4, (i // 4 + 0.5) / 3
        eye, r = (x0 + 0.12, PANE[2] + v * 1.1, PANE[0] + u), f32([[0, 0, -1], [0, 1, 0], [1, 0, 0]])
        lights.append(Light(Camera(760, 760, 140.0, 380.0, 380.0, r, f32(eye)), f32([1, 1.03, 1.08]) * 0.60, shapes, 3.0))
        eye = (-1.0 + 2.6 * u, -0.8 + 1.0 * v, z0 + 0.1)
        lights.append(Light(Camera(760, 760, 140.0, 380.0, 380.0, o=f32(eye)), f32([1, 0.97, 0.92]) * 0.40, shapes, 3.0))
    for way in sky_dome(32, full=True):
        tint = f32([1.0, 0.95, 0.86]) * (0.032 if way[1] < 0 else 0.018)
        lights.append(Light(toward(-way, (mx, my, mz), (2.4, 1.4, 3), 70), tint, shapes, 2.0, 0.15))

    def ambient(p: Array, n: Array) -> Array:
        open_ = np.ones(len(p), np.float32)
        for axis, at, m in ((0, x0, 1), (2, z1, -1), (1, FLOOR, -1), (1, CEILING, 1)):
            away = 1 - np.maximum(n[:, axis] * m, 0)
            open_ *= 1 - 0.45 * away * np.exp(-np.abs(p[:, axis] - at) / 0.3)
        return f32((0.19 * open_)[:, None] * f32([1.0, 0.95, 0.87]))

    c, s = np.cos(np.radians(11)), np.sin(np.radians(11))  # looking 11 degrees down, 6 to the left
    look = f32([[1, 0, 0], [0, c, -s], [0, s, c]]) @ turn(-6.0)
    cam = Camera(640, 480, 518.86, 319.5, 239.5, look)  # NYU's focal length, the centre as principal point
    return Scene(cam, shapes, lights, daylight, ambient, 1e5, 1.75)


def main() -> None:
    """Draw the pictures named on the command line."""
    scenes = {"street": street, "room": room}
    parser = argparse.ArgumentParser(description="draw the example pictures and their exact depth")
    parser.add_argument("names", nargs="*", default=list(scenes), help="street, room")
    dither = DITHER.bit_generator.state
    for name in parser.parse_args().names:
        DITHER.bit_generator.state = dither  # a picture does not depend on which others are drawn
        begin = time.perf_counter()
        render(scenes[name](), name)
        print(f"{name}: {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
