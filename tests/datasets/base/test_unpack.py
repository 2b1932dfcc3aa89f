import gzip
import io
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest

from musicssl.datasets.base.unpack import unpack
from musicssl.errors import InputError
from tests.support.publisher import PAYLOAD, largest_file, names

KINDS = ["a.tgz", "a.tar.gz", "a.tar", "a.zip"]


def write_archive(path: Path, *names: str, content: bytes = b"hello") -> Path:
    """Write files of the same content; a name that ends in / is a folder."""
    if path.suffix == ".zip":
        return write_zip(path, *names, content=content)
    members = [tarfile.TarInfo(name) for name in names]
    for member in members:
        if member.name.endswith("/"):
            member.type = tarfile.DIRTYPE
    return write_tar(path, *members, content=content)


def write_zip(
    path: Path, *members: str | ZipInfo, content: bytes = b"hello", method: int = ZIP_DEFLATED
) -> Path:
    with ZipFile(path, "w", method) as file:
        for member in members:
            name = member if isinstance(member, str) else member.filename
            file.writestr(member, b"" if name.endswith("/") else content)
    return path


def write_tar(path: Path, *members: tarfile.TarInfo, content: bytes = b"hello") -> Path:
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return path


def linked(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("kind", KINDS)
def test_unpack_writes_the_members(tmp_path: Path, kind: str) -> None:
    archive = write_archive(tmp_path / kind, "x/y.txt", "z", "empty/")
    folder = unpack(archive, tmp_path / "deep" / "corpus")
    members = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert members == ["empty", "x", "x/y.txt", "z"]
    assert (folder / "x" / "y.txt").read_bytes() == b"hello"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_wrapper_of_the_same_name_is_the_folder(tmp_path: Path, prefix: str, kind: str) -> None:
    members = [f"{prefix}corpus/{name}" for name in ("", "one", "corpus/two")]
    folder = unpack(write_archive(tmp_path / kind, *members), tmp_path / "corpus")
    assert names(folder) == ["corpus", "one"]
    assert names(folder / "corpus") == ["two"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_existing_folder_is_left_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "corpus").mkdir()
    unpack(write_archive(tmp_path / kind, "x"), tmp_path / "corpus")
    assert names(tmp_path / "corpus") == []


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_BZIP2, ZIP_LZMA])
def test_a_zip_may_be_compressed_in_other_ways(tmp_path: Path, method: int) -> None:
    """The archives of FMA are compressed by bzip2, which stops some programs."""
    archive = write_zip(tmp_path / "a.zip", "[cla][nod]01 – é.wav", content=PAYLOAD, method=method)
    (path,) = unpack(archive, tmp_path / "corpus").iterdir()
    assert path.name == "[cla][nod]01 – é.wav"
    assert path.read_bytes() == PAYLOAD


def changed_header(archive: Path, offset: int, value: int) -> Path:
    """Change a number of two bytes in the directory of a zip of one member."""
    content = bytearray(archive.read_bytes())
    start = content.index(b"PK\x01\x02") + offset
    content[start : start + 2] = value.to_bytes(2, "little")
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize(
    ("offset", "value", "cause"),
    [(8, 1, "encrypted"), (10, 9, "compression")],  # flags: a password; method: Deflate64
)
def test_a_zip_that_python_cannot_read_is_one_sentence(
    tmp_path: Path, offset: int, value: int, cause: str
) -> None:
    archive = changed_header(write_zip(tmp_path / "a.zip", "x"), offset, value)
    with pytest.raises(InputError, match=rf"Python cannot unpack .*a\.zip \(.*{cause}.*by hand"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    "evil",
    [
        lambda outside: tarfile.TarInfo("../evil"),
        lambda outside: tarfile.TarInfo("corpus/../../evil"),
        lambda outside: tarfile.TarInfo(f"{outside}/evil"),
        lambda outside: linked("evil", str(outside), tarfile.SYMTYPE),
        lambda outside: linked("evil", "../..", tarfile.SYMTYPE),
        lambda outside: linked("evil", f"{outside}/secret", tarfile.LNKTYPE),
        lambda outside: linked("evil", "", tarfile.FIFOTYPE),
    ],
)
def test_a_member_that_leaves_its_folder_is_refused(tmp_path: Path, evil) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_text("secret")
    through_link = tarfile.TarInfo("evil/planted")
    archive = write_tar(
        tmp_path / "a.tgz", tarfile.TarInfo("good"), evil(outside), through_link, content=b"!"
    )
    with pytest.raises(
        InputError, match=r"is not unpacked: its member .*evil.* a source you trust"
    ):
        unpack(archive, inside / "corpus")
    assert names(tmp_path) == ["a.tgz", "inside", "outside"]
    assert names(outside) == ["secret"]
    assert [name for name in names(inside) if not name.endswith(".lock")] == []


def zip_link() -> ZipInfo:
    member = ZipInfo("evil")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    "evil", ["../evil", "corpus/../../evil", "/evil", "/tmp/evil", zip_link()], ids=str
)
def test_a_member_of_a_zip_that_leaves_its_folder_is_refused(
    tmp_path: Path, evil: str | ZipInfo
) -> None:
    archive = write_zip(tmp_path / "a.zip", "good", evil, "evil/planted", content=b"..")
    inside = tmp_path / "inside"
    with pytest.raises(InputError, match=r"is not unpacked: its member .*evil"):
        unpack(archive, inside / "corpus")
    assert names(tmp_path) == ["a.zip", "inside"]
    assert names(inside) == [".corpus.lock"]


def test_without_pythons_own_filter_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"))
    with pytest.raises(InputError, match=r"update it to 3\.11\.4"):
        unpack(archive, tmp_path / "corpus")
    assert names(tmp_path) == ["a.tgz"]


def damaged(whole: bytes, how: str) -> bytes:
    middle = len(whole) // 2
    return {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "empty": b"",
        "a web page": b"<html>log in</html>",
        "only compressed": gzip.compress(PAYLOAD),
    }[how]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (kind, how)
        for kind in KINDS
        for how in ("cut", "flipped", "empty", "a web page", "only compressed")
        if (kind, how) != ("a.tar", "flipped")  # has no checksum of what its members hold
    ],
)
def test_a_damaged_archive_leaves_no_folder(tmp_path: Path, kind: str, how: str) -> None:
    archive = write_archive(tmp_path / kind, "x", content=PAYLOAD)
    archive.write_bytes(damaged(archive.read_bytes(), how))
    with pytest.raises(InputError, match=r"a\..* is damaged .*download it again"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    assert not list(tmp_path.glob(".corpus.part-*"))


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_BZIP2, ZIP_LZMA])
def test_a_damaged_member_of_a_zip_is_found_however_compressed(tmp_path: Path, method: int) -> None:
    archive = write_zip(tmp_path / "a.zip", "x", content=PAYLOAD, method=method)
    archive.write_bytes(damaged(archive.read_bytes(), "flipped"))
    with pytest.raises(InputError, match=r"a\.zip is damaged .*download it again"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_tar_whose_member_is_longer_than_any_file_is_damage(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.size = 1 << 80
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(2048)))
    with pytest.raises(InputError, match=r"a\.tar\.gz (is damaged|would)"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_member_of_a_zip_without_a_name_is_damage(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", "x")
    content = archive.read_bytes()
    central = content.rindex(b"PK\x01\x02")
    archive.write_bytes(content[: central + 46] + b"\0" + content[central + 47 :])  # ends a name
    with pytest.raises(InputError, match=r"a\.zip is damaged .*download it again"):
        unpack(archive, tmp_path / "corpus")


def test_a_tar_cut_between_two_members_is_damaged(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar", "x", "y", content=bytes(range(1, 256)) * 8)
    block = 512 + 2048  # a head, and what it is of, up to the next 512
    archive.write_bytes(archive.read_bytes()[:block])
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["x"]  # nothing tells tarfile
    with pytest.raises(InputError, match="its end is missing"):
        unpack(archive, tmp_path / "corpus")


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_no_folder(tmp_path: Path, kind: str) -> None:
    archive = write_archive(tmp_path / kind, "x", content=bytes(500_000))
    with largest_file(100_000), pytest.raises(InputError, match=r"cannot unpack .*free some space"):
        unpack(archive, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    assert unpack(archive, tmp_path / "corpus").joinpath("x").stat().st_size == 500_000


def test_a_kill_leaves_no_folder_and_the_next_run_none_of_its_traces(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tgz", tarfile.TarInfo("x"), tarfile.TarInfo("y"))
    script = """
import os, signal, sys, tarfile
from pathlib import Path
from musicssl.datasets.base.unpack import unpack
keep = tarfile.data_filter
def kill_at_y(member, folder):
    if member.name == "y":
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(member, folder)
tarfile.data_filter = kill_at_y
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""
    folder = tmp_path / "corpus"
    killed = subprocess.run(
        [sys.executable, "-c", script, str(archive), str(folder)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".corpus.part-*")
    assert names(left) == ["x"]
    assert not folder.exists()
    assert names(unpack(archive, folder)) == ["x", "y"]
    assert not list(tmp_path.glob(".corpus.part-*"))
