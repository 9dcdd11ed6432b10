"""Which process does a piece of work, and whether it still runs: so that a killed run is told from one at work."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_mark(pid: int) -> str:
    """Machine, process id and, where the system tells it, when the process started (ids are used again)."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = ""
    return f"{socket.gethostname()}:{pid}:{started}"


def is_gone(mark: str) -> bool:
    """Whether the process behind a mark runs no more; a process of another machine is left alone.

    >>> is_gone(process_mark(os.getpid()))
    False
    """
    host, pid, _ = mark.rsplit(":", 2) if mark.count(":") >= 2 else ("", "", "")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return process_mark(int(pid)) != mark
