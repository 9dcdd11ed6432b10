"""Writes a list that was asked for; a long one in a process of its own: pages do not wait, and its memory goes with it.

`python -m serving.web.exporting` reads from standard input what its parent wants, as `apart` sends it, and says on
standard output how many rows there are and how many are written.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.divisions import AreaTree
from features.project import Project
from reports.weekly_list import to_csv, write_xlsx
from serving.access.areas import Reach
from serving.published import list_of_run
from serving.runs import RunFolder

Told = Callable[[int, int], None]
"""Told how many rows there are, and how many are written."""


@dataclass(frozen=True)
class Wanted:
    """What is to be written, and where."""

    run: Path
    project: Project
    tree: AreaTree
    area: str
    format: str
    language: str
    blind: bool
    path: Path


def write(wanted: Wanted, told: Told) -> int:
    """Write it here and now; returns how many rows it has."""
    reach = Reach(wanted.tree)
    made = list_of_run(
        RunFolder(wanted.run), wanted.project, wanted.tree, lambda area: reach.contains(wanted.area, area)
    )
    rows = len(made.rows)
    told(rows, 0)
    if wanted.format == "csv":
        wanted.path.write_bytes(to_csv(made, wanted.language))
    else:
        write_xlsx(made, wanted.path, wanted.language, blind=wanted.blind, progress=lambda written: told(rows, written))
    return rows


def apart(wanted: Wanted, told: Told) -> int:
    """Write it in a process of its own; returns how many rows it has.

    Raises:
        RuntimeError: the process ended without having written it.
    """
    command = [sys.executable, "-m", "serving.web.exporting"]
    # a packed service may have been told of its modules by its parent alone
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=known) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(pickle.dumps(wanted))
        child.stdin.close()
        rows = 0
        for line in child.stdout:
            rows, written = map(int, line.split())
            told(rows, written)
    if child.returncode != 0:
        raise RuntimeError(f"the process that writes lists ended with {child.returncode}")
    return rows


def main() -> None:
    """Be that process."""
    wanted: Wanted = pickle.load(sys.stdin.buffer)  # noqa: S301 -- from our own parent, through its pipe
    write(wanted, lambda rows, written: print(rows, written, flush=True))


if __name__ == "__main__":
    main()
