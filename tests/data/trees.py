"""Small trees in exactly the layout of the data sets, made of noise: a few frames of KITTI, NYU and TUM."""

from pathlib import Path

import cv2
import numpy as np

KITTI_SIZE = (60, 100)
CAM_TO_CAM = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_rect_02: 1.000000e+02 6.000000e+01
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_02: 7.215377e+01 0 6.0e+01 4.5 0 7.3e+01 1.7e+01 0.2 0 0 1 0.5
S_rect_03: 1.000000e+02 6.000000e+01
P_rect_03: 7.215377e+01 0 6.1e+01 -33 0 7.3e+01 1.8e+01 0.2 0 0 1 0.5
"""
VELO_TO_CAM = "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"


def noise(path: Path, seed: int, size=KITTI_SIZE) -> None:
    """A picture unlike those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 13, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


def codes(path: Path, value: int, size=KITTI_SIZE) -> None:
    """A 16-bit depth map of one code, with a hole at the top left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = np.full(size, value, np.uint16)
    made[0, 0] = 0
    cv2.imwrite(str(path), made)


def kitti_calibration(root: Path, date: str) -> None:
    (root / date).mkdir(parents=True, exist_ok=True)
    (root / date / "calib_cam_to_cam.txt").write_text(CAM_TO_CAM)
    (root / date / "calib_velo_to_cam.txt").write_text(VELO_TO_CAM)


def kitti_frame(root: Path, drive: str, number: int, camera="image_02", part="train", annotated=True, sweep=None) -> None:
    """A frame with its depth of `number` + 1 metres; `sweep` is an (N, 4) array of Velodyne points."""
    date, name = drive[:10], f"{number:010}"
    kitti_calibration(root, date)
    noise(root / date / drive / camera / "data" / f"{name}.png", seed=number + 1000 * int(camera[-1]) + int(drive[17:21]))
    if annotated:
        codes(
            root / "data_depth_annotated" / part / drive / "proj_depth/groundtruth" / camera / f"{name}.png", 256 * (number + 1)
        )
    if sweep is not None:
        path = root / date / drive / "velodyne_points/data" / f"{name}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.asarray(sweep, "<f4").tobytes())


NYU_SIZE = (480, 640)


def nyu_labeled(path: Path, scenes: list[str], raw_m, filled_m, images=None) -> None:
    """A labelled file as MATLAB writes it: columns first. Depths are (N, H, W) metres, images (N, H, W, 3)."""
    import h5py

    count = len(scenes)
    images = np.zeros((count, *NYU_SIZE, 3), np.uint8) if images is None else images
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["rawDepths"] = np.asarray(raw_m, np.float32).transpose(0, 2, 1)
        file["depths"] = np.asarray(filled_m, np.float32).transpose(0, 2, 1)
        references = file.create_dataset("scenes", (1, count), h5py.ref_dtype)
        for i, scene in enumerate(scenes):
            text = file.create_dataset(f"#refs#/{i}", data=np.array([[ord(letter)] for letter in scene], np.uint16))
            references[0, i] = text.ref


def nyu_sync(root: Path, scene: str, number: int) -> None:
    noise(root / "sync" / scene / f"rgb_{number:05}.jpg", number, (48, 64))
    codes(root / "sync" / scene / f"sync_depth_{number:05}.png", 1500, (48, 64))


def tum_sequence(root: Path, name: str, images_s: list[str], depths_s: list[str], millimetres: int = 2000) -> None:
    """A sequence whose depth is flat."""
    folder = root / name
    for kind, times in (("rgb", images_s), ("depth", depths_s)):
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"# {kind} images", "# file: 'x.bag'", "# timestamp filename", *(f"{time} {kind}/{time}.png" for time in times)]
        (folder / f"{kind}.txt").write_text("\n".join(lines) + "\n")
    for i, time in enumerate(images_s):
        noise(folder / "rgb" / f"{time}.png", i + len(name), (48, 64))
    for time in depths_s:
        codes(folder / "depth" / f"{time}.png", 5 * millimetres, (48, 64))
