import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.io.files import atomic_path, expand_inputs, read_bytes, write_bytes, write_encoded, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_atomic_path_replaces_and_keeps_suffix(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.png"]


def test_new_file_has_ordinary_permissions(tmp_path):
    write_bytes(tmp_path / "a", b"1")
    touch(tmp_path / "b")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, RuntimeError, MemoryError])
def test_interrupted_leaves_what_was_there(tmp_path, raised):
    target = tmp_path / "a.png"
    target.write_text("old")
    with pytest.raises(raised), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise raised
    assert names(tmp_path) == ["a.png"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("where", ["os.replace", "pathlib.Path.write_bytes"])
def test_full_disk_leaves_nothing(tmp_path, monkeypatch, where):
    monkeypatch.setattr(where, full)
    with pytest.raises(OutputError, match=r"cannot write .*a\.bin: No space left on device$"):
        write_bytes(tmp_path / "a.bin", b"1")
    assert names(tmp_path) == []


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match=r"folder .*none does not exist"):
        write_bytes(tmp_path / "none" / "a.bin", b"1")


def test_target_is_a_folder(tmp_path):
    with pytest.raises(OutputError, match="folder or a device"):
        write_bytes(tmp_path, b"1")


def test_target_is_a_pipe_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="folder or a device"):
        write_bytes(tmp_path / "pipe", b"1")
    assert (tmp_path / "pipe").is_fifo()


def test_link_stays_a_link(tmp_path):
    (tmp_path / "other").mkdir()
    real = touch(tmp_path / "other" / "real.bin")
    (tmp_path / "link.bin").symlink_to(real)
    write_bytes(tmp_path / "link.bin", b"new")
    assert (tmp_path / "link.bin").is_symlink()
    assert real.read_bytes() == b"new"


def test_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="wrote nothing"), atomic_path(tmp_path / "a.avi"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(tmp_path / "a", b"1")


def test_encoder_that_returns_false(tmp_path, monkeypatch):
    monkeypatch.setattr("cv2.imencode", lambda *_: (False, None))
    with pytest.raises(OutputError, match="failed to encode uint8"):
        write_encoded(tmp_path / "a.png", np.zeros((2, 2), np.uint8))


def test_encoder_that_raises(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*a\.unknown"):
        write_encoded(tmp_path / "a.unknown", np.zeros((2, 2), np.uint8))
    assert names(tmp_path) == []


def test_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, 2.5], "a": "ü"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": "ü",\n  "b": [\n    1,\n    2.5\n  ]\n}\n'
    assert json.loads(path.read_bytes()) == {"a": "ü", "b": [1, 2.5]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32(1), Path("x"), {1: 0, "a": 0}])
def test_not_json(tmp_path, value):
    with pytest.raises(InputError, match=r"cannot write .*a\.json"):
        write_json(tmp_path / "a.json", {"key": value})
    assert names(tmp_path) == []


def test_json_with_a_name_that_is_not_utf8(tmp_path):
    name = os.fsdecode(b"bad\xff.jpg")
    write_json(tmp_path / "a.json", {"image": name})
    assert (tmp_path / "a.json").read_bytes() == b'{\n  "image": "bad\\udcff.jpg"\n}\n'
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"image": name}


def test_writer_that_cannot_take_the_name(tmp_path):
    with pytest.raises(OutputError, match="not UTF-8"), atomic_path(tmp_path / "a.exr"):
        "\udcff".encode()


def test_read_bytes_limits(tmp_path, monkeypatch):
    monkeypatch.setattr("lapdepth.io.files.MAX_BYTES", 3)
    (tmp_path / "a").write_bytes(b"123")
    assert read_bytes(tmp_path / "a", "x") == b"123"
    (tmp_path / "a").write_bytes(b"1234")
    with pytest.raises(ReadError, match="4 bytes; expected x of at most 3"):
        read_bytes(tmp_path / "a", "x")


def test_read_bytes_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="pipe or a device"):
        read_bytes(tmp_path / "pipe", "x")


def test_read_bytes_zero_byte_in_name():
    with pytest.raises(ReadError, match="cannot read"):
        read_bytes(Path("a\0b"), "x")


def expand(*inputs, **options):
    """The pictures, where no input is bad."""
    paths, errors = expand_inputs([str(text) for text in inputs], **options)
    assert errors == []
    return paths


def error_of(text):
    """The one error of one bad input, which must not take a good one with it."""
    good = Path("good.png")
    paths, (error,) = expand_inputs([text, str(good)])
    assert paths == [good]
    return error


def test_folder_is_searched_below_sorted_without_hidden(tmp_path):
    wanted = [touch(tmp_path / name) for name in ("a.JPG", "b.png", "sub/c.tiff", "sub/deep/d.webp")]
    for name in ("notes.txt", ".hidden.png", "._a.JPG", ".thumbs/e.png", "f.gif"):
        touch(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    assert expand(tmp_path) == wanted


def test_linked_folders_are_searched_once_without_going_in_circles(tmp_path):
    below = tmp_path / "below"
    own, other = touch(below / "room" / "a.png"), touch(tmp_path / "elsewhere" / "b.png")
    (below / "hall").symlink_to(tmp_path / "elsewhere")
    (below / "again").symlink_to(tmp_path / "elsewhere")
    (below / "alias").symlink_to(own.parent)  # comes before the folder itself in the order of names
    (own.parent / "up").symlink_to(below)
    (other.parent / "back").symlink_to(below)
    (below / ".hidden").symlink_to(tmp_path)
    assert expand(below) == [below / "again" / "b.png", own]


def test_glob_and_duplicates_keep_order(tmp_path, monkeypatch):
    a, b, c = (touch(tmp_path / name) for name in ("a.png", "b.png", "sub/c.png"))
    touch(tmp_path / "notes.txt")
    assert expand(b, f"{tmp_path}/**/*") == [b, a, c]
    monkeypatch.chdir(tmp_path)
    assert expand("./a.png", "sub/../a.png", a, "*.png") == [Path("a.png"), Path("b.png")]


def test_name_that_looks_like_a_pattern(tmp_path):
    path = touch(tmp_path / "[1].jpg")
    assert expand(path) == [path]


def test_named_file_is_taken_whatever_its_suffix_and_even_if_missing(tmp_path):
    odd = touch(tmp_path / "picture.dat")
    missing = tmp_path / "missing.png"
    assert expand(odd, missing) == [odd, missing]


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "a\0b.jpg"])
def test_impossible_name_is_left_to_the_reader(name):
    assert expand(name) == [Path(name)]
    with pytest.raises(ReadError, match="cannot read"):
        read_bytes(Path(name), "x")


@pytest.mark.parametrize("url", ["http://a/b.png", "https://a/*.png", "rtsp://cam", "s3://b/k.jpg"])
def test_url(url):
    error = error_of(url)
    assert isinstance(error, InputError)
    assert "download it first" in str(error)


def test_empty_text_is_not_the_current_folder():
    error = error_of("")
    assert isinstance(error, InputError)
    assert "empty text" in str(error)


@pytest.mark.parametrize("text", ["", "/*.png", "/**/*.jpg", "/" + "a" * 300 + "*.png"])
def test_nothing_found(tmp_path, text):
    touch(tmp_path / "notes.txt")
    error = error_of(f"{tmp_path}{text}")
    assert isinstance(error, ReadError)
    assert "no pictures in" in str(error)


def test_missing_folder_by_its_slash(tmp_path):
    error = error_of(f"{tmp_path}/none/")
    assert isinstance(error, ReadError)
    assert "does not exist" in str(error)


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder that may not be read, for root too."""
    scandir = os.scandir

    def guarded(path):
        if os.path.basename(path) == "locked":  # noqa: PTH119
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    (tmp_path / "locked").mkdir()
    return tmp_path / "locked"


def test_unreadable_folder_does_not_cost_those_beside_it(tmp_path, locked):
    a, b = touch(tmp_path / "a.png"), touch(tmp_path / "z" / "b.png")
    paths, errors = expand_inputs([str(tmp_path)])
    assert paths == [a, b]
    assert [str(error) for error in errors] == [f"cannot read the folder {locked}: Permission denied"]


def test_unreadable_folder_is_reported_once(locked):
    assert str(error_of(str(locked))) == f"cannot read the folder {locked}: Permission denied"


def test_picture_that_may_not_be_looked_at_is_left_to_the_reader(tmp_path, monkeypatch):
    path = touch(tmp_path / "a.png")
    monkeypatch.setattr(Path, "is_file", full)
    assert expand(tmp_path) == [path]


def test_skipped_are_only_those_that_were_searched_for(tmp_path, monkeypatch):
    a, b = touch(tmp_path / "a.png"), touch(tmp_path / "b.png")
    seen = []

    def skip(top, path):
        seen.append((top, path))
        return path.name == "b.png"

    assert expand(b, tmp_path, skip=skip) == [b, a]
    assert expand(f"{tmp_path}/b.p*", skip=skip) == []
    monkeypatch.chdir(tmp_path)
    assert expand("*.png", skip=skip) == [Path("a.png")]
    assert seen == [(tmp_path, a), (tmp_path, b), (tmp_path, b), (Path(), Path("a.png")), (Path(), Path("b.png"))]
