"""How well hardship can be foreseen on the simulated province, from published rules to the bound that nobody can beat.

Methods are trained and judged on the truth of the world, which no administration has, from what departments had
delivered by each day (`serving/bound`). The script fails where the order of the methods or the share of the oracle's
average precision is not what is asked, and where a method lies above the oracle's interval: it has seen the future.

    python benchmarks/separation.py [--households 20000] [--months 36] [--seeds 3] [--weeks 13 26]
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

LEAST_SHARE = {"13": 0.42, "26": 0.55}
ORDER = ("rules", "logistic", "lightgbm", "lightgbm_prompt", "oracle")
ORACLE_AUC = (0.90, 0.95)


def failures(report) -> list[str]:
    """What is not as asked, over the means of the seeds."""
    found = []
    for weeks, summary in report["summary"].items():
        means = [summary["figures"][name]["average_precision"]["mean"] for name in ORDER]
        share, auc = summary["share_of_oracle"]["mean"], summary["figures"]["oracle"]["auc"]["mean"]
        checks = {
            f"order of {', '.join(ORDER)}": means == sorted(means),
            f"LightGBM has {share:.3f} of the oracle (at least {LEAST_SHARE[weeks]})": share >= LEAST_SHARE[weeks],
            f"oracle AUC {auc:.3f} within {ORACLE_AUC}": ORACLE_AUC[0] <= auc <= ORACLE_AUC[1],
            f"nothing above the oracle's interval {summary['leaks']}": not summary["leaks"],
        }
        for check, holds in checks.items():
            print(f"{weeks} weeks: {'holds' if holds else 'MISSED'}: {check}", flush=True)
            found += [] if holds else [check]
    return found


def main() -> int:
    from features.settings import Settings
    from reports.bound import write_report
    from serving.bound.experiment import Asked, run

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--weeks", type=int, nargs="+", default=[13, 26], choices=[13, 26])
    parser.add_argument("--out", type=Path, help="folder for the report with its chart")
    given = parser.parse_args()
    asked = Asked(given.households, given.months, given.seeds, given.seed, tuple(given.weeks))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), threads=2, memory_limit="1GB")
        report = run(asked, Path(folder), settings, lambda *_: None)
    if given.out:
        write_report(report, given.out)
    for weeks, results in report["weeks"].items():
        for result in results:
            for name, figure in result["figures"].items():
                shown = {key: round(value, 3) for key, value in figure.items()}
                print(f"{weeks} weeks, seed {result['seed']}", f"{name:20}", shown)
            low, high = result["oracle_interval"]
            parts = {name: round(size, 3) for name, size in result["parts"].items()}
            print(f"{weeks} weeks, seed {result['seed']}: oracle {low:.3f}–{high:.3f}, its mean "
                  f"{result['oracle_mean']:.4f}, realised {result['base_rate']:.4f}; parts {parts}")  # fmt: skip
    return 1 if failures(report) else 0


if __name__ == "__main__":
    sys.exit(main())
