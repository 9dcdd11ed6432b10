"""Ten minutes at half of saturation: the memory of the service stays where it is, and nobody is refused."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.runs import RunFolder
from tests.served import DAY, environment, headers, make, serving

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
MOST_MB_AN_HOUR = 60.0


def resident_mb(root: int) -> float:
    """Resident memory of a process and everything below it, in MB."""
    total, todo = 0, [str(root)]
    while todo:
        pid = todo.pop()
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += (task / "children").read_text().split()
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.drill
def test_memory_is_flat(tmp_path, capsys):
    made = make(tmp_path)
    _, bundle = made.world.registry.fetch(made.world.project.name, made.world.task)
    household = str(RunFolder(made.runs[1].folder).scores()["household_id"].iloc[0])
    rows = {"as_of": str(DAY), "rows": [dict.fromkeys(bundle.needed, 1.0)]}
    known = {"as_of": str(DAY), "households": [household], "reasons": 4}
    token, statuses, lock = made.token(), [0, 0], threading.Lock()
    with serving(tmp_path, environment(made, ZHOUJI_WATCH_SECONDS="1")) as found:

        def ask(until: float, pause: float) -> int:
            count = 0
            with httpx.Client(base_url=found.url, timeout=60) as client:
                while time.monotonic() < until:
                    body = known if count % 3 == 2 else rows
                    answer = client.post("/api/v1/score", json=body, headers=headers(token))
                    with lock:
                        statuses[answer.status_code == 200] += 1
                    count += 1
                    time.sleep(pause)
            return count

        def together(seconds: float, pause: float) -> int:
            counts, until = [], time.monotonic() + seconds
            threads = [threading.Thread(target=lambda: counts.append(ask(until, pause))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sum(counts)

        saturation = together(10, 0.0) / 10
        pause = 2 * 4 / saturation  # each of four clients waits so long that half of saturation is left
        moments, sizes = [], []

        def watch() -> None:
            begun = time.monotonic()
            while time.monotonic() - begun < SECONDS:
                moments.append(time.monotonic() - begun)
                sizes.append(resident_mb(found.process.pid))
                time.sleep(SECONDS / 120)

        watching = threading.Thread(target=watch)
        watching.start()
        asked = together(SECONDS, pause)
        watching.join()
    warm = len(sizes) // 4
    slope = float(np.polyfit(moments[warm:], sizes[warm:], 1)[0]) * 3600
    with capsys.disabled():
        print(
            f"\nsoak: {asked} requests in {SECONDS:.0f} s (saturation {saturation:.0f} a second), "
            f"{sizes[warm]:.0f} to {sizes[-1]:.0f} MB, slope {slope:+.1f} MB an hour"
        )
    assert statuses[0] == 0
    assert slope < MOST_MB_AN_HOUR
