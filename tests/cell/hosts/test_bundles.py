"""Unpacking: whole or not at all, and nothing outside its folder."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from seatrial.cell.hosts.domain import BundleAltered, BundleMissing, BundleUnreadable
from seatrial.cell.hosts.service import makings
from seatrial.cell.hosts.service.bundles import unpack
from seatrial.cell.hosts.service.makings import Makings
from seatrial.contract.releases.bundles import BundlePathRefused, BundleTooLarge
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from tests.cell.hosts.hosting import PATIENCE, bundle, tar

ROOT = Path(__file__).resolve().parents[3]


def unpacked(folder: Path, data: bytes, digest: Digest | None = None) -> Path:
    archive = folder / "bundle.tar"
    archive.write_bytes(data)
    target = folder / "bundles" / "it"
    unpack(archive, digest or Digest.of(data), target, Makings(folder / "making"))
    return target


def rooms(folder: Path) -> list[str]:
    return [each.name for each in (folder / "making").iterdir() if each.is_dir()]


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def sized(size: int) -> bytes:
    """A tar whose only header promises `size` bytes that are not there."""
    return member("a.py", size=size).tobuf() + b"x" * 512


def sparse() -> bytes:
    """A tar of one kilobyte that unpacks to a hundred megabytes of zeros."""
    info = member("a.py", pax_headers={"GNU.sparse.size": str(100 << 20), "GNU.sparse.map": "0,1"})
    return tar((info, b""))


ATTACKS: dict[str, tuple[bytes, type[SeatrialError]]] = {
    "a parent": (bundle({"../out.py": b""}), BundlePathRefused),
    "a parent inside": (bundle({"a/../../out.py": b""}), BundlePathRefused),
    "an absolute path": (bundle({"/etc/out.py": b""}), BundlePathRefused),
    "a dot": (bundle({"./a.py": b""}), BundlePathRefused),
    "a backslash": (bundle({"a\\b.py": b""}), BundlePathRefused),
    "a newline": (bundle({"a\nb.py": b""}), BundlePathRefused),
    "no name": (bundle({"": b""}), BundlePathRefused),
    "twice": (tar((member("a.py"), b""), (member("a.py"), b"")), BundlePathRefused),
    "twice but for case": (bundle({"a.py": b"", "A.py": b""}), BundlePathRefused),
    "another Unicode form": (bundle({"u\u0308.py": b""}), BundlePathRefused),
    "a file that is a folder": (bundle({"a": b"", "a/b.py": b""}), BundlePathRefused),
    "a symbolic link": (
        tar((member("a.py", tarfile.SYMTYPE, linkname="/etc/passwd"), b"")),
        BundleUnreadable,
    ),
    "a hard link": (
        tar((member("a.py", tarfile.LNKTYPE, linkname="/etc/passwd"), b"")),
        BundleUnreadable,
    ),
    "a device": (
        tar((member("a.py", tarfile.CHRTYPE, devmajor=1, devminor=1), b"")),
        BundleUnreadable,
    ),
    "a pipe": (tar((member("a.py", tarfile.FIFOTYPE), b"")), BundleUnreadable),
    "a folder": (tar((member("a", tarfile.DIRTYPE), b"")), BundleUnreadable),
    "no tar": (b"x" * 2000, BundleUnreadable),
    "nothing": (b"", BundleUnreadable),
    "a compressed one": (gzip.compress(bundle({"a.py": b"1"})), BundleUnreadable),
    "cut off": (bundle({"a.py": b"x" * 5000})[:3000], BundleUnreadable),
    "a promise of much": (sized(60 << 30), BundleUnreadable),
    "a promise of some": (sized(5000), BundleUnreadable),
    "holes": (sparse(), BundleUnreadable),
    "too many files": (bundle({f"{n}.py": b"" for n in range(10_001)}), BundleTooLarge),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bundle_that_is_none_is_refused_and_nothing_is_written(
    tmp_path: Path, attack: str
) -> None:
    data, error = ATTACKS[attack]
    with pytest.raises(error):
        unpacked(tmp_path, data)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["bundle.tar", "lock", "making"]


def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    data = bundle({"a.py": b"1"})
    with pytest.raises(BundleAltered):
        unpacked(tmp_path, data[:600] + b"\1" + data[601:], Digest.of(data))
    assert not (tmp_path / "bundles").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing, match="nowhere"):
        unpack(tmp_path / "nowhere", Digest.of(b""), tmp_path / "x", Makings(tmp_path / "m"))


def test_what_is_unpacked_is_read_only_and_as_it_was(tmp_path: Path) -> None:
    files = {"a.py": b"1", "long/" * 30 + "b.py": b"2", "ü/c.sh": b"3"}
    program = member("run.sh", size=1, mode=0o4755)
    data = tar(
        *((member(name, size=len(text)), text) for name, text in files.items()), (program, b"4")
    )
    target = unpacked(tmp_path, data)
    found = {
        str(each.relative_to(target)): each.read_bytes()
        for each in target.rglob("*")
        if each.is_file()
    }
    assert found == {**files, "run.sh": b"4"}
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in target.rglob("*")}
    assert modes["a.py"] == 0o444
    assert modes["run.sh"] == 0o555
    assert modes["long"] == 0o555
    assert stat.S_IMODE(target.stat().st_mode) == 0o555
    makings.remove(target)
    assert not target.exists()


def test_unpacking_again_changes_nothing(tmp_path: Path) -> None:
    data = bundle({"a.py": b"1"})
    target = unpacked(tmp_path, data)
    before = target.stat().st_ino
    assert unpacked(tmp_path, data).stat().st_ino == before


def test_who_comes_second_takes_the_firsts(tmp_path: Path) -> None:
    place = Makings(tmp_path / "making")
    target = tmp_path / "it"
    with place.making(target) as mine:
        (mine / "a").touch()
        with place.making(target) as theirs:
            (theirs / "b").touch()
    assert [each.name for each in target.iterdir()] == ["b"]
    assert rooms(tmp_path) == []


def test_a_kill_in_the_middle_leaves_nothing_in_use(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from seatrial.cell.hosts.service.makings import Makings\n"
        "making, it = map(Path, sys.argv[1:])\n"
        "with Makings(making).making(it) as f:\n"
        "    (f / 'half').touch(); print('half', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "making"), str(tmp_path / "it")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.defpath},
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        place = Makings(tmp_path / "making")
        place.sweep()
        assert len(rooms(tmp_path)) == 1, "its maker is at work"
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE)
        assert not (tmp_path / "it").exists()
        place.sweep()
        assert rooms(tmp_path) == []
