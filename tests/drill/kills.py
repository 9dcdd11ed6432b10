"""Kill a command at any of its steps, run it again, and see that nothing tells the two apart.

No product code knows of this. A warm process forks one child for each run; in the child every step that could leave
something half done (renames, links, flushes, files opened for writing, SQLite and DuckDB statements) is counted, and
at the N-th the child kills itself with SIGKILL: before the step, in its midst, or after it. Steps are counted in an
undisturbed run first, so that kills are spread over all of them; some more come at random times.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
BETWEEN = ("before", "during", "after")

# What runs in the warm process; the command's text is compiled there, and each order line forks a child that runs it.
WARM = r"""
import builtins, functools, io, json, os, re, signal, sqlite3, sys, threading, time, warnings
import duckdb
command = compile(open(sys.argv[1], encoding="utf-8").read(), "command", "exec")
warmth = compile(open(sys.argv[2], encoding="utf-8").read(), "warmth", "exec")
exec(warmth, {})
real_kill, real_write, real_open = os.kill, os.write, os.open

class Steps:
    def __init__(self, order):
        self.home, self.number, self.where, self.share = order["home"], order["number"], order["where"], order["share"]
        self.lengths, self.count, self.depth = order["lengths"], 0, threading.local()
        self.dying = threading.Lock()
        self.trace, self.note = [], real_open(order["note"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def die(self, name, kind):
        if not self.dying.acquire(blocking=False):  # the timer and the step itself may both be at it
            time.sleep(60)
        real_write(self.note, json.dumps([name, kind, self.where]).encode())
        real_kill(os.getpid(), signal.SIGKILL)

    def step(self, name, kind, call):
        if getattr(self.depth, "inside", False):  # a step of a step is one with it
            return call()
        self.count += 1
        mine = self.count == self.number
        if mine and self.where == "before":
            self.die(name, kind)
        if mine and self.where == "during":
            timer = threading.Timer(self.lengths[self.number - 1] * self.share, self.die, (name, kind))
            timer.daemon = True
            timer.start()
        begun = time.perf_counter()
        self.depth.inside = True
        try:
            return call()
        finally:
            self.depth.inside = False
            if mine:
                self.die(name, kind)
            self.trace.append((name, kind, time.perf_counter() - begun))

    def place(self, path):
        if isinstance(path, int):
            try:
                path = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return "?"
        text = os.path.abspath(os.fsdecode(path))
        if not text.startswith(self.home):
            return None
        text = os.path.relpath(text, self.home)
        return re.sub(r"[0-9a-f]{8,}|[0-9]+", "#", text)

def install(steps):
    def on_path(owner, name, which=0):
        real = getattr(owner, name)
        @functools.wraps(real)
        def wrapped(*given, **named):
            kind = steps.place(given[which]) if len(given) > which else None
            return real(*given, **named) if kind is None else steps.step(name, kind, lambda: real(*given, **named))
        setattr(owner, name, wrapped)
    for name in ("rename", "replace", "link"):
        on_path(os, name, 1)
    for name in ("fsync", "mkdir", "unlink", "rmdir"):
        on_path(os, name)
    opened = io.open
    def open_file(file, mode="r", *given, **named):
        kind = steps.place(file) if set(mode) & set("wax+") and not isinstance(file, int) else None
        call = lambda: opened(file, mode, *given, **named)
        return call() if kind is None else steps.step("open", kind, call)
    builtins.open = io.open = open_file
    class Connection(sqlite3.Connection):
        def execute(self, sql, *given):
            return steps.step("sqlite", sql.split()[0], lambda: super(Connection, self).execute(sql, *given))
        def executemany(self, sql, *given):
            return steps.step("sqlite", sql.split()[0], lambda: super(Connection, self).executemany(sql, *given))
        def commit(self):
            return steps.step("sqlite", "COMMIT", lambda: super(Connection, self).commit())
        def __exit__(self, *given):
            return steps.step("sqlite", "COMMIT", lambda: super(Connection, self).__exit__(*given))
        def cursor(self, factory=None):
            return super().cursor(Cursor)
    class Cursor(sqlite3.Cursor):
        def execute(self, sql, *given):
            return steps.step("sqlite", sql.split()[0], lambda: super(Cursor, self).execute(sql, *given))
        def executemany(self, sql, *given):
            return steps.step("sqlite", sql.split()[0], lambda: super(Cursor, self).executemany(sql, *given))
    connect = sqlite3.connect
    counted = lambda *given, **named: connect(*given, **{"factory": Connection, **named})
    sqlite3.connect = sqlite3.dbapi2.connect = counted
    execute = duckdb.DuckDBPyConnection.execute
    def run(self, query, *given, **named):
        words = " ".join(str(query).split()[:1])
        return steps.step("duckdb", words, lambda: execute(self, query, *given, **named))
    duckdb.DuckDBPyConnection.execute = run

print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            steps = Steps(order)
            install(steps)
            if order["seconds"] is not None:
                timer = threading.Timer(order["seconds"], steps.die, ("time", "any"))
                timer.daemon = True
                timer.start()
            exec(command, {"HOME": order["home"]})
            os.write(steps.note, json.dumps(steps.trace).encode())
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass(frozen=True)
class Hit:
    """Where a run was killed; `finished` where it was done before its hour came."""

    name: str
    kind: str
    where: str
    finished: bool = False


class Warm:
    """The process that forks runs of one command."""

    def __init__(self, process: subprocess.Popen[str], note: Path) -> None:
        self.process, self.note = process, note

    def run(
        self, home: Path, *, number: int = 0, where: str = "", share: float = 0.0, seconds: float | None = None,
        lengths: list[float] | None = None,
    ) -> tuple[int, Any]:  # fmt: skip
        """Run the command once; exit code (-9 where it was killed) and the trace, or the place of the kill."""
        order = {"home": str(home), "number": number, "where": where, "share": share, "seconds": seconds,
                 "note": str(self.note), "lengths": lengths or []}  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        text = self.note.read_text()
        return code, json.loads(text) if text else None


@contextmanager
def warm(folder: Path, command: str, warmth: str) -> Iterator[Warm]:
    """Start the process; `warmth` is source text that imports what the command needs, so that forks are quick."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("command.py", command), ("warmth.py", warmth)):
        (folder / name).write_text(text, encoding="utf-8")
    arguments = [sys.executable, "-c", WARM, str(folder / "command.py"), str(folder / "warmth.py")]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield Warm(process, folder / "note.json")
        assert process.stdin is not None
        process.stdin.close()


def drill(
    command: str,
    folder: Path,
    fingerprint: Callable[[Path], Any],
    *,
    kills: int,
    seed: int = 1,
    warmth: str = "",
    start: Path | None = None,
    after_kill: Callable[[Path], None] = lambda _home: None,
    at_random_times: float = 0.15,
) -> list[Hit]:
    """Kill `command` (source text that reads HOME) again and again; each time, what follows must be the same.

    Args:
        command: must do nothing when all is done already.
        folder: for homes and notes.
        fingerprint: everything of a home that must be the same, and what must not be there.
        kills: how often.
        seed: of the draw of steps.
        warmth: imports.
        start: a home to begin with, made at `folder/home` and moved away; none by default.
        after_kill: what must hold even before the command is run again.
        at_random_times: share of kills that come at a time and not at a step.
    """
    draw = random.Random(seed)
    hits = []
    with warm(folder / "warm", command, warmth) as process:
        home = folder / "home"  # always the same place: MLflow's database holds it
        code, trace = process.run(_begin(home, start))
        assert code == 0
        wanted = fingerprint(home)
        lengths = [length for *_, length in trace]
        for number in range(kills):
            _begin(home, start)
            if number < kills * (
                1 - at_random_times
            ):  # one step from each equal share of the steps, so that all are met
                share = len(trace) / (kills * (1 - at_random_times))
                at = min(int((number + draw.random()) * share), len(trace) - 1) + 1
                where = BETWEEN[draw.randrange(3)]
                code, place = process.run(home, number=at, where=where, share=draw.random(), lengths=lengths)
            else:
                code, place = process.run(home, seconds=draw.random() * sum(lengths))
            assert code in (-9, 0), f"the run failed by itself: {code}"
            hits.append(Hit(*place) if code == -9 else Hit("none", "", "", finished=True))
            after_kill(home)
            code, _ = process.run(home)
            assert code == 0, f"after a kill at {hits[-1]} the command fails"
            assert fingerprint(home) == wanted, f"after a kill at {hits[-1]} the outcome differs"
    return hits


def _begin(home: Path, start: Path | None) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    if start is not None:
        shutil.copytree(start, home)
    return home


def phases(hits: list[Hit]) -> str:
    """Where kills fell, for people."""
    counted = Counter((hit.name, hit.kind, hit.where) for hit in hits if not hit.finished)
    lines = [f"{count:4} {name} {kind} ({where})" for (name, kind, where), count in sorted(counted.items())]
    return "\n".join([*lines, f"{sum(counted.values())} killed, {sum(hit.finished for hit in hits)} had finished"])
