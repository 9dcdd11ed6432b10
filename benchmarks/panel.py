"""The panel of all quarters against the scan of the columns that it reads, in one process each with the same engine.

The survey's store (ingested first, if no home is given) holds 29.6 million records. The scan hands over every value
of the columns that the panel reads, repeated until it has taken two seconds; start-up is left out of both sides. Beside
it stands the same columns' maximum, which the engine finds in dictionaries without unpacking a value.

    python benchmarks/panel.py [--home FOLDER] [--threads 2] [--memory 600MB] [--runs 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FILE = Path("eph") / "eph_dev_2003_2012.parquet"
LIMIT_RATIO, LIMIT_MIB, LEAST_SECONDS = 20.0, 1024, 2.0
LAST = date(2012, 12, 31)
COLUMNS = {
    "reading": ("household_id", "kind", "detail", "value", "period_end", "knowledge_date"),
    "income": ("household_id", "source", "amount", "period_end", "knowledge_date"),
    "household": ("household_id", "area_code", "weight", "valid_from", "valid_to", "knowledge_date"),
}


def _opened(arguments: argparse.Namespace):
    from features.project import load_project
    from features.settings import Home, Settings

    project = load_project(ROOT / "examples" / "eph" / "project.yaml")
    settings = Settings(home=arguments.home, threads=arguments.threads, memory_limit=arguments.memory)
    return project, settings, Home(settings.home)


def _clocks() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def _answer(begun: tuple[float, float], times: int = 1, **more: object) -> None:
    wall, cpu = (now - then for now, then in zip(_clocks(), begun, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall / times, "cpu": cpu / times, "peak": peak, **more}))


def build(arguments: argparse.Namespace) -> None:
    """The panel of every quarter up to the last, as `zhouji score` and `zhouji train` make it."""
    from features import panel
    from features.calendar import as_of_days
    from features.engines.duckdb import engine
    from features.store import Store
    from training.days import first_day

    project, settings, home = _opened(arguments)
    store = Store(home, project)
    with engine(settings, home) as opened, tempfile.TemporaryDirectory(dir=arguments.home) as folder:
        days = as_of_days(project.calendar.cadence, first_day(project, store, opened), LAST)
        begun = _clocks()
        built = panel.build(project, store, days, engine=opened, folder=Path(folder))
        _answer(begun, rows=built.rows, days=len(days), indicators=len(built.indicators))


def scan(arguments: argparse.Namespace, *, aggregated: bool = False) -> None:
    """Every value of the columns that the panel reads, handed over; or only their maximum and count."""
    from features.engines.duckdb import engine

    project, settings, home = _opened(arguments)
    with engine(settings, home) as opened:
        queries = []
        for table, columns in COLUMNS.items():
            files = sorted((home.project(project.name).path / "store" / "records" / table).rglob("*.parquet"))
            listed = ", ".join(f"'{file}'" for file in files)
            chosen = [f"max({column}), count({column})" for column in columns] if aggregated else columns
            queries.append(f"SELECT {', '.join(chosen)} FROM read_parquet([{listed}], hive_partitioning = false)")
        begun, times = _clocks(), 0
        while times == 0 or time.perf_counter() - begun[0] < LEAST_SECONDS:
            for query in queries:
                for _ in opened.con.con.sql(query).to_arrow_reader(100_000):
                    pass
            times += 1
        _answer(begun, times)


def _measure(side: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--home", str(arguments.home)]
    command += ["--threads", str(arguments.threads), "--memory", arguments.memory]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(answer)
    return found


def _ingest(source: Path, arguments: argparse.Namespace) -> None:
    from features.ingestion import ingest

    project, settings, _ = _opened(arguments)
    ingest(source, project, settings, received_on=date(2026, 1, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="600MB")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--side", choices=["build", "scan", "aggregate"])
    arguments = parser.parse_args()
    if arguments.side:
        if arguments.side == "build":
            build(arguments)
        else:
            scan(arguments, aggregated=arguments.side == "aggregate")
        return 0
    named = os.environ.get("ZHOUJI_DATA")
    source = (Path(named) if named else ROOT.parent / "shared" / "data") / FILE
    if arguments.home is None and not source.is_file():
        print("panel: the development data are absent (set ZHOUJI_DATA); nothing measured")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if arguments.home is None:
            arguments.home = Path(folder)
            _ingest(source, arguments)
        best: dict[str, dict[str, float]] = {}
        for number in range(arguments.runs):
            for side in ("scan", "aggregate", "build"):
                found = _measure(side, arguments)
                print(f"run {number + 1}", side, {key: round(value, 2) for key, value in found.items()}, flush=True)
                if side not in best or found["cpu"] < best[side]["cpu"]:
                    best[side] = found
    ratios = {clock: best["build"][clock] / best["scan"][clock] for clock in ("cpu", "wall")}
    peak = best["build"]["peak"]
    bounds = f"(limit {LIMIT_RATIO:g})"
    unpacked = best["build"]["cpu"] / best["aggregate"]["cpu"]
    print(f"panel: cpu {unpacked:.1f} x the maximum of the same columns")
    print(f"panel: cpu {ratios['cpu']:.1f} x the scan {bounds}; wall {ratios['wall']:.1f} x; peak {peak:.0f} MiB")
    return 0 if ratios["cpu"] <= LIMIT_RATIO and peak < LIMIT_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
