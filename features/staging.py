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
    staged = path.parent / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
    try:
        with staged.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(path)
    finally:
        staged.unlink(missing_ok=True)
    flush(path.parent)


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """Yield a folder to write in; at the end it becomes `final` in one rename. On an error nothing is left.

    Where `final` exists already, it stays and the staged folder is dropped: folders named by their content's
    digest are the same whoever wrote them first.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    staged = final.parent / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
    staged.mkdir()
    try:
        yield staged
        for path in sorted(staged.rglob("*")):
            flush(path)
        flush(staged)
        if not final.exists():
            staged.rename(final)
            flush(final.parent)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def sweep(folder: Path) -> list[Path]:
    """Remove what a killed process left half-written directly under `folder`; return what was removed."""
    if not folder.is_dir():
        return []
    left = sorted(path for path in folder.iterdir() if path.name.startswith(STAGING_PREFIX))
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left


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
