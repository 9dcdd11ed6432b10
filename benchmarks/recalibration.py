"""Whether chances hold by region and by calendar quarter when they are fitted anew every month.

The model learns once from true outcomes of a simulated province; each later month its calibration is fitted on the
twelve newest matured months (`serving/bound/calibration.py`), a whole year, so that no season is taken for a level. The
script fails where a slope leaves .9–1.1, or where the interval of predicted by realised does not meet ±10 %.

    python benchmarks/recalibration.py [--households 100000] [--seed 7]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
warnings.filterwarnings("ignore")

AHEAD, TRAINING, TESTS, COHORTS = 3, 6, 12, 12
SLOPES = (0.9, 1.1)


def main() -> int:
    from features.settings import Settings
    from serving.bound.calibration import recalibrated
    from serving.bound.worlds import last_month, live_through, tell

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--households", type=int, default=100_000)
    parser.add_argument("--months", type=int, default=52)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    last = last_month()
    test = [last - AHEAD - back for back in range(TESTS - 1, -1, -1)]
    cohorts = [test[0] - AHEAD - back for back in range(COHORTS)]
    newest = cohorts[-1] - AHEAD
    train = [newest - 2 * back for back in range(TRAINING - 1, -1, -1)]
    months = sorted({*train, *cohorts, *test, *(month - AHEAD - back for month in test for back in range(COHORTS))})
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), threads=2, memory_limit="1GB")
        size = {"households": given.households, "length": given.months, "seed": given.seed, "prompt": False}
        made, told = tell(Path(folder), months, settings=settings, progress=lambda *_: None, **size)
        truth = live_through(made, months, {}, paths=0, progress=lambda *_: None)
    found = recalibrated(told, truth, train, test, AHEAD, cohorts=COHORTS, seed=given.seed, threads=2)
    slopes = True
    for name, figure in found["groups"].items():
        low, high = figure["interval"]
        held = SLOPES[0] <= figure["slope"] <= SLOPES[1]
        slopes &= held
        slope = f"{figure['slope']:.3f}{'' if held else ' MISSED'}"
        print(f"{name:16} rows {figure['rows']:8} onsets {figure['onsets']:6} slope {slope} "
              f"predicted/realised {figure['ratio']:.3f} [{low:.3f}, {high:.3f}]")  # fmt: skip
    print(f"slopes within {SLOPES}: {slopes}; intervals meet ±10 %: {found['within']}")
    return 0 if slopes and found["within"] else 1


if __name__ == "__main__":
    sys.exit(main())
