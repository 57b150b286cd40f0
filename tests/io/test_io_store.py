"""Pictures by URL, on the one store that needs no network: `file://`."""

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="object stores need the ray extra")

from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.io.store import (
    as_path,
    check_not_overwriting,
    extend,
    join,
    local_url,
    pictures_below,
    read_url,
    write_url,
)


@pytest.fixture
def url(tmp_path):
    """Pictures with awkward names, and what is none."""
    for name in ("b.png", "a dir#?%20/ä x.JPG", "notes.txt", ".hidden.png", ".git/c.png", "out/b_depth.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return f"file://{tmp_path}/in"


def test_pictures_below_a_folder(url):
    found = pictures_below(url, join(url, "out"))
    assert [read_url(one).decode() for one in found] == ["a dir#?%20/ä x.JPG", "b.png"]
    assert len(pictures_below(f"{url}/", "/elsewhere")) == 3


def test_a_single_picture(url):
    assert pictures_below(join(url, "b.png"), "out") == [join(url, "b.png")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/none", "there is nothing of that name"),
        ("/.git/../.git", "no pictures in"),
        ("x://a/b", "cannot read x://a/b: .*x://a/b"),
    ],
)
def test_nothing_to_read(url, tmp_path, name, message):
    (tmp_path / "in" / ".git" / "c.png").unlink()
    with pytest.raises(ReadError, match=message):
        pictures_below(name if "//" in name else url + name, "out")


def test_results_may_not_lie_among_the_pictures(url):
    with pytest.raises(InputError, match="choose another one"):
        pictures_below(url, url)
    with pytest.raises(InputError, match="choose another one"):
        pictures_below(url, url.rsplit("/", 1)[0])
    with pytest.raises(InputError, match="would be overwritten"):
        check_not_overwriting([join(url, "b_depth.png")], [join(url, "b")], ["_depth.png"])
    check_not_overwriting([join(url, "b.png")], [join(url, "b")], ["_depth.png"])


def test_a_picture_named_by_its_path_is_not_overwritten_by_url(url, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "in" / "a dir#?%20")
    picture = tmp_path / "link" / "ä_color.png"
    assert read_url(local_url(tmp_path / "link" / "ä x.JPG")) == read_url(join(url, "a dir#?%20/ä x.JPG"))
    with pytest.raises(InputError, match="would be overwritten"):
        check_not_overwriting([local_url(picture)], [join(url, "a dir#?%20/ä")], ["_depth.png", "_color.png"])
    check_not_overwriting([local_url(picture)], [join(url, "a dir#?%20/ä")], ["_depth.png"])


def test_a_name_that_no_store_takes(url):
    with pytest.raises(InputError, match=r"^a\\udcff.png is no UTF-8, as names below .* must be; rename it$"):
        join(url, "a\udcff.png")


def test_written_whole_or_not_at_all(url, tmp_path):
    write_url(join(url, "deep/new ü.png"), b"whole")
    assert (tmp_path / "in/deep/new ü.png").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "in/deep").iterdir()] == ["new ü.png"]
    with pytest.raises(OutputError, match="cannot write"):
        write_url(join(url, "b.png/below a file.png"), b"whole")
    before = sorted((tmp_path / "in").iterdir())
    with pytest.raises(OutputError, match="cannot write"):
        write_url(join(url, "out"), b"whole")  # a folder
    assert sorted((tmp_path / "in").iterdir()) == before


@pytest.mark.parametrize("name", ["none.png", "empty.png"])
def test_unreadable(url, tmp_path, name):
    (tmp_path / "in" / "empty.png").touch()
    with pytest.raises(ReadError, match=name):
        read_url(join(url, name))


def test_options_stay_behind_the_path():
    assert join("s3://b/in/?region=eu", "x y/a.png") == "s3://b/in/x%20y/a.png?region=eu"
    assert extend("s3://b/a?region=eu", ".json") == "s3://b/a.json?region=eu"
    assert as_path("s3://b/x%20y/a.png?region=eu") == Path("/s3/b/x y/a.png")
