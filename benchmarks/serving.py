"""The service beside its peers in the same run: a bare FastAPI route with the same scorer, and `mlflow models serve`.

    python benchmarks/serving.py [--requests 600] [--households 200000] [--seconds 10] [--copies 1]

Prints: CPU of the answering processes for a single row and for a batch of 1,000, as ratios to the peers'; p99 at half
of saturation; p50 and p95 of looking a household up by id with its score and four reasons, on a panel of so many
households; and the time of the prediction path as a multiple of LightGBM's own on the same numpy matrix.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PEER = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, create_model
from models.bundle import load
from models.registry import Version
from serving.assessing import assess, matrix_of
from serving.current import served
bundle = load(Path({bundle!r}))
ready = served(bundle, Version("1", "", bundle.digest, ("champion",), {{}}))
app = FastAPI()

class Bare(BaseModel):
    rows: list[dict[str, float | None]]

@app.post("/bare")
async def bare(body: Bare):
    found = assess(ready, matrix_of(ready.needed, body.rows))
    return [
        {{"probability": float(p), "low": float(low), "high": float(high), "level": str(level)}}
        for p, low, high, level in zip(found.probability, found.low, found.high, found.level)
    ]

Row = create_model("Row", **{{name: (float | None, ...) for name in ready.needed}})
class Typed(BaseModel):
    rows: list[Row]
class Line(BaseModel):
    probability: float
    low: float
    high: float
    level: str

@app.post("/typed", response_model=list[Line])
async def typed(body: Typed):
    found = assess(ready, matrix_of(ready.needed, [row.model_dump() for row in body.rows]))
    return [
        Line(probability=float(p), low=float(low), high=float(high), level=str(level))
        for p, low, high, level in zip(found.probability, found.low, found.high, found.level)
    ]
"""


def cpu_seconds(root: int) -> float:
    """CPU of a process and everything below it that lives."""
    ticks, todo = 0, [root]
    while todo:
        pid = todo.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            todo += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split() if task.name != str(pid)]
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_per_request(pid: int, url: str, body: bytes, headers: dict[str, str], requests: int) -> float:
    """Milliseconds of CPU for one request, after warming up."""
    with httpx.Client(timeout=120) as client:
        for _ in range(max(3, requests // 10)):
            client.post(url, content=body, headers=headers).raise_for_status()
        begun = cpu_seconds(pid)
        for _ in range(requests):
            client.post(url, content=body, headers=headers).raise_for_status()
        return 1000 * (cpu_seconds(pid) - begun) / requests


@contextmanager
def process(arguments, url, **more):
    """A peer's process, until it answers."""
    child = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **more
    )
    try:
        for _ in range(600):
            try:
                httpx.get(url, timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        else:
            raise SystemExit(f"{arguments[0]} did not answer at {url}")
        yield child.pid
    finally:
        os.killpg(child.pid, 15)
        child.wait()


def latencies(url, body, headers, rate, seconds, clients=8):
    """Latencies in ms at a fixed rate of arrivals (each waits for its own moment), and the rate that was reached."""
    found, start = [], time.perf_counter() + 0.2
    lock, count = threading.Lock(), [0]

    def ask():
        with httpx.Client(timeout=60) as client:
            while True:
                with lock:
                    at = start + count[0] / rate if rate else 0.0
                    count[0] += 1
                if (at or time.perf_counter()) > start + seconds:
                    return
                time.sleep(max(0.0, at - time.perf_counter()))
                begun = at or time.perf_counter()
                client.post(url, content=body, headers=headers).raise_for_status()
                found.append(1000 * (time.perf_counter() - begun))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(found), len(found) / (time.perf_counter() - start)


def grown(made, households):
    """A panel of so many households on a day of its own, and their ids: the small panel's rows over and over."""
    import pyarrow.parquet as pq

    from features.settings import Home
    from serving.runs import RunFolder
    from tests.served import DAY

    home = Home(made.world.settings.home).project(made.world.project.name)
    panel = max((p for p in home.panels.iterdir() if (p / f"as_of={DAY}").is_dir()), key=lambda p: p.stat().st_mtime)
    manifest = json.loads((panel / "panel.json").read_text())
    cohort = set(RunFolder(made.runs[1].folder).scores()["household_id"])
    files = sorted((panel / f"as_of={DAY}").glob("*.parquet"))
    import pandas as pd

    rows = pd.concat([pq.read_table(file, partitioning=None).to_pandas() for file in files])
    rows = rows[rows["household_id"].isin(cohort)].reset_index(drop=True)
    times = -(-households // len(rows))
    whole = pd.concat([rows] * times, ignore_index=True).head(households)
    random = np.random.default_rng(3)
    names = ["".join(f"{part:08x}" for part in parts) for parts in random.integers(0, 2**32, (len(whole), 3))]
    names[: len(rows)] = rows["household_id"]
    numbers = [name for name in whole.columns if whole[name].dtype == np.float64 and name != "weight"]
    whole[numbers] *= random.uniform(0.8, 1.2, (len(whole), 1))
    whole["household_id"] = names
    target = home.panels / "grown"
    folder = target / f"as_of={DAY}"
    folder.mkdir(parents=True)
    bucket = whole["household_id"].str.slice(0, 4).map(lambda text: int(text, 16) % len(files))
    for at, file in enumerate(files):
        part = whole[bucket == at].sort_values("household_id")
        schema = pq.read_schema(file)
        import pyarrow as pa

        pq.write_table(pa.Table.from_pandas(part[schema.names], schema, preserve_index=False), folder / file.name)
    manifest |= {"days": [str(DAY)], "store_version": manifest["store_version"] + 1000}
    (target / "panel.json").write_text(json.dumps(manifest))
    return DAY, names


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--households", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--copies", type=int, default=1, help="the sample's 30 own indicators so many times more")
    options = parser.parse_args()
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", BENTOML_DO_NOT_TRACK="True", DO_NOT_TRACK="true")
    with tempfile.TemporaryDirectory() as temporary:
        measure(Path(temporary), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    from tests.served import DAY, environment, free_port, headers, make, serving

    made = make(folder, copies=options.copies)
    project, task = made.world.project, made.world.task
    version, bundle = made.world.registry.fetch(project.name, task)
    token = made.token()
    random = np.random.default_rng(1)
    rows = [
        {
            name: round(float(x), 3)
            for name, x in zip(bundle.needed, random.normal(0, 50, len(bundle.needed)), strict=True)
        }
        for _ in range(1000)
    ]
    ask = headers(token, **{"content-type": "application/json"})
    plain = {"content-type": "application/json"}
    one, many = ({"as_of": str(DAY), "rows": rows[:count]} for count in (1, 1000))
    few = max(20, options.requests // 20)
    ours, bare, typed, mlflow = {}, {}, {}, {}
    with serving(folder, environment(made, ZHOUJI_WATCH_SECONDS="600")) as server:
        pid, url = server.process.pid, f"{server.url}/api/v1/score"
        ours[1] = cpu_per_request(pid, url, json.dumps(one).encode(), ask, options.requests)
        ours[1000] = cpu_per_request(pid, url, json.dumps(many).encode(), ask, few)
        _, most = latencies(url, json.dumps(one).encode(), ask, 0, options.seconds / 2)
        half, reached = latencies(url, json.dumps(one).encode(), ask, most / 2, options.seconds)
    peer = folder / "peer.py"
    peer.write_text(PEER.format(root=str(ROOT), bundle=str(bundle.folder)))
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "peer:app",
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "error",
    ]
    with process(command, f"http://127.0.0.1:{port}/docs", cwd=folder) as pid:
        address = f"http://127.0.0.1:{port}"
        bare[1] = cpu_per_request(
            pid, f"{address}/bare", json.dumps({"rows": rows[:1]}).encode(), plain, options.requests
        )
        typed[1000] = cpu_per_request(pid, f"{address}/typed", json.dumps({"rows": rows}).encode(), plain, few)
    port = free_port()
    uri = f"models:/{f'zhouji-{project.name}-{task}'}/{version.number}"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        uri,
        "--port",
        str(port),
        "--env-manager",
        "local",
    ]
    variables = {**os.environ, "MLFLOW_TRACKING_URI": made.world.registry.uri, "PYTHONPATH": str(ROOT)}
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"  # MLflow starts uvicorn by its name
    frame = {"dataframe_split": {"columns": bundle.needed, "data": [[rows[0][name] for name in bundle.needed]]}}
    with process(command, f"http://127.0.0.1:{port}/ping", cwd=folder, env=variables) as pid:
        address = f"http://127.0.0.1:{port}/invocations"
        mlflow[1] = cpu_per_request(pid, address, json.dumps(frame).encode(), plain, max(50, options.requests // 5))
    print(f"{len(bundle.needed)} indicators")
    print(f"single row, CPU: service {ours[1]:.2f} ms, bare FastAPI {bare[1]:.2f} ms, mlflow serve {mlflow[1]:.2f} ms")
    print(f"  service / bare FastAPI          {ours[1] / bare[1]:.2f}   (at most 1.8)")
    print(f"  mlflow models serve / service   {mlflow[1] / ours[1]:.1f}   (at least 12)")
    print(f"batch of 1,000, CPU: service {ours[1000]:.1f} ms, FastAPI with pydantic {typed[1000]:.1f} ms")
    print(f"  service / FastAPI with pydantic {ours[1000] / typed[1000]:.2f}   (at most .7)")
    p50, p99 = np.quantile(half, [0.5, 0.99])
    print(f"saturation {most:.0f} a second; at {reached:.0f} a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    if options.households:
        look_up(made, folder, options.households)
    predict(bundle)


def look_up(made, folder: Path, households: int) -> None:
    """Measure 2: by id, score and four reasons."""
    from tests.served import environment, headers, serving

    day, names = grown(made, households)
    ask = headers(made.token())
    with serving(folder, environment(made, ZHOUJI_WATCH_SECONDS="600")) as server, httpx.Client(timeout=600) as client:
        url = f"{server.url}/api/v1/score"

        def body(name):
            return {"as_of": str(day), "households": [name], "reasons": 4}

        begun = time.perf_counter()
        client.post(url, json=body(names[0]), headers=ask).raise_for_status()
        loaded = time.perf_counter() - begun
        found, reasons = [], []
        for name in np.random.default_rng(2).choice(names, 500):
            begun = time.perf_counter()
            answer = client.post(url, json=body(str(name)), headers=ask)
            found.append(1000 * (time.perf_counter() - begun))
            answer.raise_for_status()
            told = answer.json()["results"][0]
            reasons.append(len(told["reasons"]) if told["status"] == "scored" else -1)
        resident = max(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            for pid in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            or _children(server.process.pid)
        )
    p50, p95 = np.quantile(found, [0.5, 0.95])
    scored = sum(count >= 0 for count in reasons)
    mean = np.mean([count for count in reasons if count >= 0])
    print(
        f"look-up among {len(names):,} households: p50 {p50:.1f} ms, p95 {p95:.1f} ms (at most 50); "
        f"{scored} of 500 scored, {mean:.1f} reasons each; first look {loaded:.1f} s, {resident:.0f} MB"
    )


def _children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += (task / "children").read_text().split()
    return found


def predict(bundle) -> None:
    """Measure 3: the prediction path against LightGBM's own on the same matrix."""
    import dataclasses

    import lightgbm as lgb

    from models.booster import canonical_text, load_booster
    from models.registry import Version
    from serving.assessing import assess
    from serving.current import served

    random = np.random.default_rng(5)
    width = len(bundle.schema.ids)
    x = random.normal(size=(100_000, width))
    y = (x[:, :5].sum(axis=1) + random.normal(size=len(x)) > 1).astype(float)
    chosen = {"objective": "binary", "num_leaves": 16, "learning_rate": 0.03, "verbosity": -1, "num_threads": 2}
    model = lgb.train(chosen, lgb.Dataset(x, y), 300)
    text = canonical_text(model.model_to_string())
    other = dataclasses.replace(bundle, booster=load_booster(text, threads=2))
    ready = served(other, Version("1", "", other.digest, (), {}))
    theirs = lgb.Booster(model_str=text)
    for rows, rounds in ((1, 500), (1000, 60), (100_000, 6)):
        matrix = np.ascontiguousarray(x[:rows])
        threads = 1 if rows == 1 else 2
        a, b, c = [], [], []
        for _ in range(rounds):
            t0 = time.perf_counter()
            theirs.predict(matrix, raw_score=True, num_threads=threads)
            t1 = time.perf_counter()
            (ready.single if rows == 1 else other.booster).margins(matrix)
            t2 = time.perf_counter()
            assess(ready, matrix)
            t3 = time.perf_counter()
            a.append(t1 - t0), b.append(t2 - t1), c.append(t3 - t2)
        low = [min(found) for found in (a, b, c)]
        print(
            f"{rows:>7,} rows: margins {low[1] / low[0]:.2f} × LightGBM's predict (at most 1.1); "
            f"with probability, range and level {low[2] / low[0]:.2f} ×"
        )


if __name__ == "__main__":
    main()
