"""Writing that is wholly there or not there: stage beside the target, flush to disk, then one rename."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGING_PREFIX = ".staging-"


def flush(path: Path) -> None:
    """Force a file or folder's content to disk, so that a rename after it cannot outrun it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds the old bytes or the new ones, never a part of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _claimed(path.parent, folder=False) as (staged, descriptor):
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(path)
    flush(path.parent)


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """Yield a folder to write in; at the end it becomes `final` in one rename. On an error nothing is left.

    Where `final` exists already, it stays and the staged folder is dropped: folders named by their content's
    digest are the same whoever wrote them first. What killed processes left beside it goes.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with _claimed(final.parent, folder=True) as (staged, _):
        yield staged
        for path in sorted(staged.rglob("*")):
            flush(path)
        flush(staged)
        if not final.exists():
            staged.rename(final)
            flush(final.parent)


@contextmanager
def _claimed(parent: Path, *, folder: bool) -> Iterator[tuple[Path, int]]:
    """A staged file or folder that is this process's while it lives; the kernel gives a killed one's claim back."""
    staged = parent / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
    with _guarded(parent):  # nobody sweeps between making and claiming
        _remove_left(parent)
        if folder:
            staged.mkdir()
            descriptor = os.open(staged, os.O_RDONLY)
        else:
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield staged, descriptor
    finally:
        if folder:
            shutil.rmtree(staged, ignore_errors=True)
        else:
            staged.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> list[Path]:
    """Remove what killed processes left half-written directly under `folder`; return what was removed."""
    if not folder.is_dir():
        return []
    with _guarded(folder):
        return _remove_left(folder)


def _remove_left(folder: Path) -> list[Path]:
    removed = []
    for path in sorted(path for path in folder.iterdir() if path.name.startswith(STAGING_PREFIX)):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # its owner was done in the meantime
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # its owner is at work
            continue
        else:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
        finally:
            os.close(descriptor)
    return removed


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the one writer's lock at `path`; a killed holder's lock is released by the kernel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
