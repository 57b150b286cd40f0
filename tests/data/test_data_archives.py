"""Archives: hostile ones are refused before anything is written, interrupted ones go on."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from lapdepth.data.archives import Limits, list_members, unpack
from lapdepth.errors import OutputError, ReadError

FILES = {"./": b"", "a/1.png": b"one", "a/2.png": b"two!", "b/3.txt": b"three", "b/": b"", "empty.png": b""}


def everything(name):
    return name


def make_zip(path, files, symlink=None, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if symlink:
            info = zipfile.ZipInfo(symlink)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return path


def make_tar(path, files, special=None):
    mode = {".tgz": "w:gz", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if special:
            info = tarfile.TarInfo("x.png")
            info.type, info.linkname = special, "../../etc/passwd"
            archive.addfile(info)
    return path


def make(path, files):
    return make_zip(path, files) if path.suffix == ".zip" else make_tar(path, files)


@pytest.fixture(params=["x.zip", "x.tar", "x.tgz", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def archive(request, tmp_path):
    return make(tmp_path / request.param, FILES)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def there(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_wanted_goes_where_it_shall(archive, out):
    members = list_members(archive, lambda name: f"deep/{name}" if name.endswith(".png") else None)
    assert [(member.place, member.size_bytes) for member in members] == [("deep/a/1.png", 3), ("deep/a/2.png", 4)]
    assert list(unpack(archive, members, out)) == [True, True]
    assert there(out) == {"deep/a/1.png": b"one", "deep/a/2.png": b"two!"}


@pytest.mark.parametrize("kind", ["x.tar", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_how_much_of_an_archive_is_read_is_told_meanwhile(tmp_path, kind):
    rng, told = np.random.default_rng(0), []
    path = make(tmp_path / kind, {f"{i}.png": rng.bytes(2**17) for i in range(20)})
    list_members(path, everything, watch=lambda done, total: told.append((done, total)))
    done, totals = zip(*told, strict=True)
    assert set(totals) == {path.stat().st_size}
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, totals[0])
    assert sum(0.2 * totals[0] < some < 0.8 * totals[0] for some in done) >= 5


def test_what_is_there_is_left_alone(archive, out):
    (out / "a").mkdir()
    (out / "a/1.png").write_bytes(b"ONE")  # of the right size
    (out / "a/2.png").write_bytes(b"tw")  # of another size
    assert list(unpack(archive, list_members(archive, everything), out)) == [False, True, True]
    assert there(out) == {"a/1.png": b"ONE", "a/2.png": b"two!", "b/3.txt": b"three"}


def test_an_interrupted_run_goes_on(archive, out, monkeypatch):
    members = list_members(archive, everything)
    first = unpack(archive, members, out)
    assert next(first)
    monkeypatch.setattr("lapdepth.data.archives._read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        next(first)
    assert there(out) == {"a/1.png": b"one"}
    monkeypatch.undo()
    scratch = out / "a" / ".lapdepth-0123456789abcdef.png"  # what a kill leaves
    scratch.write_bytes(b"half")
    assert list(unpack(archive, members, out)) == [False, True, True]
    assert not scratch.exists()
    assert there(out) == {name: data for name, data in FILES.items() if data}


@pytest.mark.parametrize("kind", ["x.zip", "x.tgz"])
@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/x.png", "a\\..\\x.png", "C:/x.png", "a/\x1b[2Jx.png", "a" * 1001]
)
def test_names_that_lead_elsewhere(tmp_path, out, kind, name):
    path = make(tmp_path / kind, {"good.png": b"good", name: b"bad"})
    with pytest.raises(ReadError, match=r"is refused: .*; nothing was unpacked"):
        list_members(path, lambda name: "x.png")
    with pytest.raises(ReadError, match="is refused"):  # not wanted, and refused all the same
        list_members(path, lambda name: None)
    assert there(out) == {}


@pytest.mark.parametrize("kind", ["x.zip", "x.tgz"])
def test_folders_are_members_too(tmp_path, kind):
    with pytest.raises(ReadError, match="leads out of the folder"):
        list_members(make(tmp_path / kind, {"../../x/": b""}), everything)
    with pytest.raises(ReadError, match="more in the archive"):
        list_members(make(tmp_path / kind, {f"{i}/": b"" for i in range(9)}), everything, Limits(members=5))


def test_a_zero_byte_hides_no_name(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.pngX../b": b"bad"})
    path.write_bytes(path.read_bytes().replace(b"a.pngX../b", b"a.png\0../b"))
    with pytest.raises(ReadError, match="control character"):
        list_members(path, everything)


@pytest.mark.parametrize(
    "special", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_links_and_devices_in_a_tar(tmp_path, special):
    with pytest.raises(ReadError):
        list_members(make_tar(tmp_path / "x.tgz", {"a.png": b"a"}, special), everything)


def test_links_in_a_zip(tmp_path):
    with pytest.raises(ReadError, match=r"'x.png': a link or a device"):
        list_members(make_zip(tmp_path / "x.zip", {"a.png": b"a"}, symlink="x.png"), everything)


def test_an_encrypted_zip(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": b"a"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ReadError, match="it is encrypted"):
        list_members(path, everything)


@pytest.mark.parametrize("kind", ["x.zip", "x.tgz"])
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(members=1), "more in the archive"),
        (Limits(member_bytes=2000), "more in the archive"),
        (Limits(total_bytes=5000), "more in the archive"),
        (Limits(ratio=2, free_bytes=100), "more than 2 times its size"),
    ],
)
def test_bombs(tmp_path, kind, limits, reason):
    path = make(tmp_path / kind, {"a.png": bytes(3000), "b.png": bytes(3000)})
    with pytest.raises(ReadError, match=reason):
        list_members(path, everything, limits)
    assert len(list_members(path, everything)) == 2


def test_a_member_that_is_larger_than_it_claims(tmp_path, out):
    path = make_zip(tmp_path / "x.zip", {"a.png": bytes(3000)})
    data = path.read_bytes().replace(struct.pack("<I", 3000), struct.pack("<I", 30))
    path.write_bytes(data)
    with pytest.raises(ReadError):
        list(unpack(path, list_members(path, everything), out))
    assert there(out) == {}


def test_a_tar_header_that_claims_gigabytes(tmp_path):
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    with gzip.open(tmp_path / "x.tgz", "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20))
    with pytest.raises(ReadError, match=r"a header of 8,589,934,592 bytes; download it again"):
        list_members(tmp_path / "x.tgz", everything)


def header(name, kind, size, more=b""):
    """A header of a TAR with a size that tarfile would not write; `more` goes where a sparse file tells of its pieces."""
    made = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    made[156:157] = kind
    made[124:136] = (size % 256**12).to_bytes(12, "big") if size < 0 else tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    made[482 : 482 + len(more)] = more
    made[148:156] = b"        "
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def test_a_tar_member_of_less_than_nothing(tmp_path):
    """It leads back to its own header, so that the list would not end."""
    (tmp_path / "x.tar").write_bytes(header("a.txt", tarfile.REGTYPE, -512) + bytes(1024))
    with pytest.raises(ReadError, match=r"'a.txt': its size is negative; nothing was unpacked"):
        list_members(tmp_path / "x.tar", lambda name: None, Limits(members=9))


def test_a_tar_whose_headers_follow_each_other_without_end(tmp_path):
    name = header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + b"a".ljust(512, b"\0")
    (tmp_path / "x.tar").write_bytes(name * 2000)
    with pytest.raises(ReadError, match=r"cannot read .*x\.tar: .*; download it again"):
        list_members(tmp_path / "x.tar", everything)


def test_a_tar_of_a_sparse_file_without_end(tmp_path, monkeypatch):
    """The pieces of a sparse file take many times their bytes in memory, and compress to nothing."""
    pieces = (b"00000000001\0" * 42 + b"\1").ljust(512, b"\0")
    with gzip.open(tmp_path / "x.tgz", "wb") as file:
        file.write(header("a.png", tarfile.GNUTYPE_SPARSE, 0, b"\1") + pieces * 200)
    with pytest.raises(ReadError, match=r"cannot read .*x\.tgz"):  # its end is missing
        list_members(tmp_path / "x.tgz", everything)
    monkeypatch.setattr("lapdepth.data.archive_formats._MAX_PIECE", 50_000)
    with pytest.raises(ReadError, match="headers of more than 50,000 bytes for one member; download it again"):
        list_members(tmp_path / "x.tgz", everything)


def test_many_members_of_a_tar_are_each_within_bounds(tmp_path, out, monkeypatch):
    path = make_tar(tmp_path / "x.tar", {**{f"{i}/": b"" for i in range(300)}, "a.png": bytes(100_000)})
    monkeypatch.setattr("lapdepth.data.archive_formats._MAX_PIECE", 120_000)
    assert list(unpack(path, list_members(path, everything), out)) == [True]
    assert there(out) == {"a.png": bytes(100_000)}


def test_two_members_for_one_place(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": b"a", "b.png": b"b"})
    with pytest.raises(ReadError, match=r"two members go to one.png"):
        list_members(path, lambda name: "one.png")


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_download_that_broke_off(archive, out, share):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)] if archive.suffix != ".tar" else data[: 512 + 512 + 200])
    with pytest.raises(ReadError, match="cannot read"):
        list(unpack(archive, list_members(archive, everything), out))


def test_a_damaged_member(tmp_path, out):
    path = make_zip(tmp_path / "x.zip", {"a.png": b"good", "b.png": b"this is bad"}, compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"this is bad", b"this is BAD"))
    with pytest.raises(ReadError, match=r"Bad CRC-32 for file 'b.png'; download it again"):
        list(unpack(path, list_members(path, everything), out))
    assert there(out) == {"a.png": b"good"}


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tgz", "x.tar.xz"])
def test_what_is_no_archive(tmp_path, name):
    for text in (b"", b"<html>Log in first</html>" * 99):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(ReadError, match="cannot read"):
            list_members(tmp_path / name, everything)
    with pytest.raises(ReadError, match="cannot read"):
        list_members(tmp_path / f"none-{name}", everything)


def test_a_full_disk(archive, out, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OutputError, match=r"needs 0.0 GB in .*; make room"):
        next(unpack(archive, list_members(archive, everything), out))
    assert there(out) == {}


def test_a_file_in_place_of_a_folder(archive, out):
    (out / "a").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        list(unpack(archive, list_members(archive, everything), out))
