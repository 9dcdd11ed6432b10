"""Ingest against hand-written SQL: the survey of 592,571 household interviews becomes 29.6 million stored records.

Both sides read the same Parquet file and leave the same tables and columns behind: canonical records in long form,
with keyed pseudonyms, partitioned by bucket and year, sorted by household, zstd; and the row index with its hashes.
Ours also validates every value, quarantines, keeps both clocks, compares with what is known, computes the digest of
every file, and commits atomically. Each run is a fresh process with the same threads and memory limit.

    python benchmarks/ingest.py [--runs 3] [--memory 600MB] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = Path("eph") / "eph_dev_2003_2012.parquet"
LIMIT_RATIO, GOAL_RATIO, LIMIT_MIB = 3.0, 2.0, 1024
BUCKETS = 4


def data_file() -> Path | None:
    """The survey's file, where the development data are present."""
    named = os.environ.get("ZHOUJI_DATA")
    path = (Path(named) if named else ROOT.parent / "shared" / "data") / FILE
    return path if path.is_file() else None


# --- the two sides --------------------------------------------------------------------------------------------------


def ours(source: Path, home: Path, threads: int, memory: str) -> None:
    """What `zhouji ingest` does."""
    sys.path.insert(0, str(ROOT))
    from features.ingestion import ingest
    from features.project import load_project
    from features.settings import Settings

    project = load_project(ROOT / "examples" / "eph" / "project.yaml")
    settings = Settings(home=home, threads=threads, memory_limit=memory)
    receipt = ingest(source, project, settings, received_on=date(2026, 1, 1))
    assert receipt.accepted + receipt.quarantined == receipt.delivered


ANSWERS = {
    "lived_on_work": "V1", "lived_on_pension": "V2", "lived_on_severance": "V3",
    "lived_on_unemployment_insurance": "V4", "cash_aid": "V5", "aid_in_kind": "V6", "aid_from_kin": "V7",
    "rent_received": "V8", "business_profit": "V9", "interest_received": "V10", "scholarship_or_alimony": "V11",
    "cash_from_outside": "V12", "spent_savings": "V13", "loan_from_kin": "V14", "loan_from_bank": "V15",
    "bought_on_credit": "V16", "sold_belongings": "V17", "other_cash": "V18", "child_work": "V19_A",
    "child_begging": "V19_B", "bonus_received": "V21", "back_pay_received": "V22", "dwelling_type": "IV1",
    "floor": "IV3", "roof": "IV4", "ceiling": "IV5", "water_place": "IV6", "water_source": "IV7", "toilet": "IV8",
    "toilet_place": "IV9", "toilet_flush": "IV10", "drain": "IV11", "near_dump": "IV12_1", "flood_zone": "IV12_2",
    "informal_settlement": "IV12_3", "tenure": "II7", "cooking_fuel": "II8", "bathroom_use": "II9", "rooms": "IV2",
    "rooms_used": "II1", "bedrooms": "II2", "housework_by": "VII1_1",
}  # fmt: skip
DECILES = {"national": "DECCFR", "total": "DECIFR", "region": "RDECCFR", "area": "ADECCFR"}
NINES = ("IV4", "II7", "II1", "II2", "IV2", "VII1_1")  # "no answer" is 99 there


def typed_sql(source: Path) -> str:
    """One row an interview: pseudonym, clocks, hashes, and every answer with its missing codes taken out."""
    key = "0123456789abcdef" * 4
    inner = f"sha256('{key}i' || 'eph_household|' || CODUSU || '|' || NRO_HOGAR)"
    answers = ", ".join(
        f"CASE WHEN {name} NOT IN (0, {99 if name in NINES else 9}) THEN CAST({name} AS DOUBLE) END AS {name}"
        for name in ANSWERS.values()
    )
    deciles = ", ".join(
        f"CASE WHEN {name} NOT IN (12, 13) THEN CAST({name} AS DOUBLE) END AS {name}" for name in DECILES.values()
    )
    said = [*ANSWERS.values(), *DECILES.values(), "ITF", "IX_TOT", "IX_MAYEQ10", "PONDERA", "AGLOMERADO"]
    content = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in said)
    return f"""
    CREATE TEMP TABLE typed AS
    SELECT *, md5('survey' || household_id || period) AS row_key, md5(concat_ws(chr(31), {content})) AS content_hash
    FROM (
      SELECT 4294967296 + file_row_number + 1 AS row_id, substr(sha256('{key}o' || {inner}), 1, 24) AS household_id,
        year || '-Q' || quarter AS period, make_date(year, quarter * 3 - 2, 1) AS period_start,
        CAST(make_date(year, quarter * 3 - 2, 1) + INTERVAL 3 MONTH - INTERVAL 1 DAY AS DATE) AS period_end,
        CAST(AGLOMERADO AS VARCHAR) AS AGLOMERADO, CAST(PONDERA AS DOUBLE) AS PONDERA,
        CASE WHEN ITF <> -9 AND coalesce(DECIFR, 0) NOT IN (12, 13) AND coalesce(DECCFR, 0) NOT IN (12, 13)
          THEN CAST(round(ITF * 100) AS BIGINT) END AS ITF,
        CAST(IX_TOT AS DOUBLE) AS IX_TOT, CAST(IX_MAYEQ10 AS DOUBLE) AS IX_MAYEQ10, {answers}, {deciles}
      FROM read_parquet('{source}', file_row_number = true)
      WHERE CODUSU IS NOT NULL AND NRO_HOGAR IS NOT NULL
    ) ORDER BY household_id, row_id"""


def record_queries() -> dict[str, str]:
    """The three tables in the store's columns."""
    after = (
        "period_start, period_end, 'survey' AS feed, 'statistics' AS department, period_end AS knowledge_date, "
        "true AS knowledge_date_assumed, row_id, CAST('0x' || substr(household_id, 1, 4) AS INTEGER) % "
        f"{BUCKETS} AS bucket, year(period_end) AS year"
    )
    shared = "household_id, period, period_start, period_end, row_id"

    def reading(kind: str, detail: str, unit: str, over: dict[str, str]) -> str:
        spread = ", ".join(f'CAST({column} AS DOUBLE) AS "{word}"' for word, column in over.items())
        names = ", ".join(f'"{word}"' for word in over)
        return (
            f"SELECT household_id, CAST(NULL AS VARCHAR) AS person_id, {kind} AS kind, {detail} AS detail, "
            f"period, value, '{unit}' AS unit, CAST(NULL AS DATE) AS valid_to, "
            f"CAST(NULL AS VARCHAR) AS authorisation_ref, CAST(NULL AS VARCHAR) AS employer_id, {after} "
            f"FROM (UNPIVOT (SELECT {shared}, {spread} FROM typed) "
            f"ON {names} INTO NAME word VALUE value)"
        )

    members = {"members": "IX_TOT", "children": "IX_TOT - IX_MAYEQ10"}
    text, day = "CAST(NULL AS VARCHAR)", "CAST(NULL AS DATE)"
    return {
        "household": f"SELECT household_id, period_start AS valid_from, {day} AS valid_to, AGLOMERADO AS area_code, "
        f"{text} AS residence, {text} AS registration, {text} AS housing_tenure, {text} AS housing_grade, "
        f"PONDERA AS weight, period_start, period_start AS period_end, "
        f"{after.removeprefix('period_start, period_end, ')} FROM typed",
        "income": f"SELECT household_id, {text} AS person_id, period, 'total' AS source, ITF AS amount, "
        f"false AS is_estimate, {after} FROM typed WHERE ITF IS NOT NULL",
        "reading": " UNION ALL ".join(
            [
                reading("'income_decile'", "word", "decile", DECILES),
                reading("word", text, "persons", members),
                reading("'answer'", "word", "answer", ANSWERS),
            ]
        ),
    }


def by_hand(source: Path, home: Path, threads: int, memory: str) -> None:
    """What a person who knows DuckDB would write for this file."""
    import duckdb

    home.mkdir(parents=True)
    con = duckdb.connect(config={"threads": threads, "memory_limit": memory, "temp_directory": str(home / "tmp")})
    con.execute(typed_sql(source))
    rows = (
        "SELECT row_id, row_id & 4294967295 AS line, row_key, content_hash, period_end AS knowledge_date, "
        "false AS retracted FROM typed"
    )
    con.execute(f"COPY ({rows} ORDER BY row_id) TO '{home}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)")
    for table, query in record_queries().items():
        con.execute(
            f"COPY ({query}) TO '{home / table}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536, "
            "PARTITION_BY (bucket, year))"
        )


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(side: str, source: Path, folder: Path, arguments: argparse.Namespace) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of one fresh process."""
    home = folder / side
    command = [sys.executable, __file__, "--side", side, "--source", str(source), "--home", str(home)]
    command += ["--threads", str(arguments.threads), "--memory", arguments.memory]
    begun = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{side} failed: {child.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def count(folder: Path) -> dict[str, int]:
    """Stored records by table, to see that both sides made the same."""
    import duckdb

    found = {}
    for table in record_queries():
        paths = [str(path) for path in folder.rglob("*.parquet") if f"/{table}/" in path.as_posix()]
        query = "SELECT count(*) FROM read_parquet($p, hive_partitioning = false)"
        found[table] = duckdb.sql(query, params={"p": paths}).fetchall()[0][0]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="600MB")
    parser.add_argument("--side", choices=["ours", "sql"])
    parser.add_argument("--source", type=Path)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    if arguments.side:
        run = ours if arguments.side == "ours" else by_hand
        run(arguments.source, arguments.home, arguments.threads, arguments.memory)
        return 0
    source = data_file()
    if source is None:
        print("ingest: the development data are absent (set ZHOUJI_DATA); nothing measured")
        return 0
    figures: dict[str, list[tuple[float, float, float]]] = {"ours": [], "sql": []}
    for number in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            for side, runs in figures.items():
                runs.append(measure(side, source, Path(folder), arguments))
                wall, cpu, top = runs[-1]
                print(
                    f"run {number + 1} {side:5} wall {wall:6.1f} s  cpu {cpu:6.1f} s  peak {top:6.0f} MiB", flush=True
                )
            if number == 0:
                records = {side: count(Path(folder) / side) for side in figures}
                print("records", records["ours"])
                if records["ours"] != records["sql"]:
                    print("records differ: by hand", records["sql"])
                    return 1
            shutil.rmtree(folder, ignore_errors=True)
    median = {side: [statistics.median(column) for column in zip(*runs, strict=True)] for side, runs in figures.items()}
    ratios = [mine / theirs for mine, theirs in zip(median["ours"], median["sql"], strict=True)]
    peak = max(run[2] for run in figures["ours"])
    bounds = f"(goal {GOAL_RATIO:g}, limit {LIMIT_RATIO:g})"
    print(f"ingest: cpu {ratios[1]:.2f} x by hand {bounds}; wall {ratios[0]:.2f} x; peak {peak:.0f} of {LIMIT_MIB} MiB")
    return 0 if ratios[1] <= LIMIT_RATIO and peak < LIMIT_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
