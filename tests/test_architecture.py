"""The layers: a module imports only from lower rows or its own folder, and heavy packages in few places."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "lapdepth"

ROWS = {
    "errors": 0,
    "camera": 0,
    "imaging": 1,
    "config": 1,
    "zoo": 1,
    "io": 2,
    "model": 2,
    "data": 3,
    "synthetic": 3,
    "evaluation": 4,
    "inference": 4,
    "training": 5,
    "collision": 6,
    "export": 6,
    "benchmark": 7,
    "cli": 8,
    "__main__": 9,
}
"""Row of each package, from the bottom. Packages on one row do not import each other, files on rows 0 and 1 may."""

RENDERER_FILES = ("raster", "world", "noise", "textures", "shading", "light", "film", "render", "dataset")
RENDERER = {f"synthetic/{name}.py" for name in RENDERER_FILES}
TORCH = {"model", "training", "export", "data/loader.py", "inference/torch_engine.py", "benchmark/large.py"} | RENDERER
"""Where PyTorch may be imported at the head of a file; `export/` and others import it only when they run."""

ONE_FILE = {
    "OpenEXR": "io/exr.py",
    "openvino": "inference/openvino_engine.py",
    "h5py": "data/nyu.py",
    "huggingface_hub": "zoo.py",
    "pyarrow": "io/store.py",
    "ray": "inference/cluster.py",
    "rich": None,
    "typer": None,
}
"""Optional packages that live in one file; `None`: only in cli/ and training/report.py."""


def modules():
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def imports(path, at_head_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_head_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path):
    own = package_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "lapdepth" or parts[1] == "__version__":
            continue
        other = parts[1]
        assert other in ROWS, f"{name} is not in the table of layers"
        same_file_row = ROWS[other] == ROWS[own] <= 1
        assert other == own or ROWS[other] < ROWS[own] or same_file_row, f"row {ROWS[own]} imports {name}, row {ROWS[other]}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_packages_stay_where_they_belong(path):
    place = path.relative_to(SOURCE).as_posix()
    heads = {name.split(".")[0] for name in imports(path, at_head_only=True)}
    everywhere = {name.split(".")[0] for name in imports(path)}
    if heads & {"torch", "timm", "safetensors"}:
        assert place in TORCH or place.split("/")[0] in TORCH
    for package, home in ONE_FILE.items():
        if package in everywhere:
            assert place == home if home else place.startswith("cli/") or place == "training/report.py"


def test_every_package_is_in_the_table():
    found = {package_of(path) for path in modules()}
    assert found == set(ROWS)


def test_sub_packages_are_empty():
    for path in SOURCE.glob("*/__init__.py"):
        assert path.read_text() == "", f"{path} must stay empty"
