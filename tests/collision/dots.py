"""Pictures of bright and dark dots in space, drawn to fractions of a pixel."""

import numpy as np


class Dots:
    """Points (N, 3) in metres, X right, Y down, Z ahead, before the camera moves."""

    def __init__(self, points, seed=0):
        self.points = np.asarray(points, float)
        self.tones = np.random.default_rng(seed).choice([-1.0, 1.0], len(self.points)) * 90

    def seen(self, camera, forward_m=0.0, yaw_rad=0.0):
        """(N, 2) pixels and (N,) depth after going forward, by each dot's own `forward_m` if so given, and then turning left."""
        x, y, z = self.points.T
        z = z - forward_m
        x, z = x * np.cos(yaw_rad) + z * np.sin(yaw_rad), z * np.cos(yaw_rad) - x * np.sin(yaw_rad)
        return np.stack([camera.fx_px * x / z + camera.cx_px, camera.fy_px * y / z + camera.cy_px], axis=1), z

    def picture(self, camera, **moved):
        """(H, W) uint8."""
        places, depth = self.seen(camera, **moved)
        image = np.full((camera.height, camera.width), 128.0)
        for (u, v), z, tone in zip(places, depth, self.tones, strict=True):
            left, top = int(u) - 6, int(v) - 6
            if z > 1 and 0 <= left < camera.width - 13 and 0 <= top < camera.height - 13:
                rows, columns = np.mgrid[top : top + 13, left : left + 13]
                image[rows, columns] += tone * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 1.5**2))
        return np.clip(image, 0, 255).astype(np.uint8)

    def depth(self, camera, factors):
        """(H, W) float32, around each dot its depth times its factor, elsewhere 30 m."""
        places, depth = self.seen(camera)
        out = np.full((camera.height, camera.width), 30.0, np.float32)
        for (u, v), z, factor in zip(places, depth, factors, strict=True):
            out[max(int(v) - 4, 0) : int(v) + 5, max(int(u) - 4, 0) : int(u) + 5] = z * factor
        return out
