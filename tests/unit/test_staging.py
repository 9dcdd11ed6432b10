"""Writing that is wholly there or not there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.staging import locked, staged_folder, sweep, write_atomically

KILLED = """
import os, pathlib, signal, sys
from features.staging import staged_folder
with staged_folder(pathlib.Path(sys.argv[1]) / "never"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "final") as staged:
        (staged / "part").write_text("1")
        assert not (tmp_path / "final").exists()
    assert (tmp_path / "final" / "part").read_text() == "1"
    assert list(tmp_path.iterdir()) == [tmp_path / "final"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staged_folder(tmp_path / "final") as staged:
        (staged / "part").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_first_writer_of_a_digest_stays(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with staged_folder(tmp_path / "digest") as staged:
            (staged / "part").write_text(text)
    assert (tmp_path / "digest" / "part").read_text() == "first"


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "file", b"old")
    write_atomically(tmp_path / "a" / "file", b"new")
    assert (tmp_path / "a" / "file").read_bytes() == b"new"
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".staging-1").mkdir()
    (tmp_path / ".staging-2").write_text("")
    (tmp_path / "kept").write_text("")
    assert len(sweep(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert sweep(tmp_path / "nowhere") == []


def test_the_lock_is_free_again(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "LOCK"):
            assert (tmp_path / "LOCK").exists()


def test_what_is_at_work_is_left_alone_and_what_a_kill_left_goes_at_the_next_writing(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "mine") as staged:
        assert sweep(tmp_path) == []
        write_atomically(tmp_path / "other", b"")
        assert staged.is_dir()
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".staging-*"))) == 1
    write_atomically(tmp_path / "other", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]
