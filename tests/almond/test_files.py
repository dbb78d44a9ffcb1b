"""Files that appear whole or not at all, also on a disk that is full."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from almond.errors import InputError
from almond.files.writing import locked, new_folder, open_atomically, publish, write_atomically


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes: the system refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    write_atomically(path, b"old")
    with room_for(4096), pytest.raises(InputError, match=r"weights.bin: cannot be written \(File too large"):
        write_atomically(path, bytes(100_000))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.bin"]


def test_arrays_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "film.npz"
    full = pytest.raises(InputError, match=r"film\.npz: cannot be written")
    with room_for(4096), full, open_atomically(path) as stream:
        np.savez(stream, values=np.zeros(100_000))
    assert os.listdir(tmp_path) == []


def test_a_folder_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    full = pytest.raises(InputError, match=f"{tmp_path}: cannot be written")
    with room_for(4096), full, new_folder(tmp_path) as scratch:
        (scratch / "table.csv").write_bytes(bytes(100_000))
        publish(scratch, tmp_path / "report")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["file/below/name.csv", "file/name.csv", "folder"])
def test_what_stands_in_the_way_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{target}: cannot be written"):
        write_atomically(tmp_path / target, b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_errors_about_other_files_keep_their_own_name(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    with pytest.raises(IsADirectoryError, match="input"), open_atomically(tmp_path / "out.bin") as stream:
        stream.write((tmp_path / "input").read_bytes())
    assert os.listdir(tmp_path) == ["input"]


def test_the_mode_is_the_wanted_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / "secret", b"x", mode=0o600)
    write_atomically(tmp_path / "open", b"x")
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in ("secret", "open")] == [
        "0o600",
        "0o644",
    ]


def folder_of(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "text").write_text(text)
    return path


def test_only_an_empty_folder_is_replaced_unasked(tmp_path: Path) -> None:
    final = folder_of(tmp_path / "export", "earlier")
    with pytest.raises(InputError, match="not empty"), new_folder(tmp_path) as scratch:
        publish(scratch, final)
    assert (final / "text").read_text() == "earlier"
    (final / "text").unlink()
    publish(folder_of(tmp_path / ".new", "later"), final)
    assert (final / "text").read_text() == "later"


def test_an_earlier_folder_goes_only_when_the_new_one_stands(tmp_path: Path) -> None:
    final = folder_of(tmp_path / "report", "earlier")
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "missing", final, over=True)
    assert (final / "text").read_text() == "earlier"
    publish(folder_of(tmp_path / ".new", "later"), final, over=True)
    assert (final / "text").read_text() == "later"
    assert os.listdir(tmp_path) == ["report"]


HOLD = """
import sys, pathlib, almond.files.writing
with almond.files.writing.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_free_once_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    words = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
        process.kill()
        with locked(path):
            pass
