"""The simulated field from the command line: the loop with and without audit rows, or methods at equal visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.errors import UsageError
from serving.console import Console, Report
from serving.loop.account import account
from serving.loop.comparison import compare
from serving.loop.diary import Diary
from serving.loop.driver import Terms, drive
from serving.loop.lives import MOST, Plan, largest

FOLDER = "loop"
STORED = ("rules", "logistic", "lightgbm", "oracle")


@dataclass(frozen=True)
class Asked:
    """What the command line was asked for."""

    households: int
    weeks: int
    seeds: int
    seed: int
    audit_share: float
    per_county: int
    compare: bool


def loop(console: Console, out: Path | None, asked: Asked) -> None:
    """Run the loop, write its report, and say its figures.

    Raises:
        UsageError: more households or seeds than provinces of one block side by side can be.
    """
    from reports.loop import write_report

    _possible(asked)
    folder = console.settings.home / FOLDER
    with console.progress() as progress:
        report = (
            _compared(console, asked, folder, progress) if asked.compare else _looped(console, asked, folder, progress)
        )
    files = write_report(report, out or folder / "report")
    _say(console, report)
    console.finish(**report, files=[str(file) for file in files])


def _possible(asked: Asked) -> None:
    arms = len(STORED) if asked.compare else 2
    if asked.households > largest() or asked.seeds * arms > MOST:
        raise UsageError("loop_too_large", households=largest(), seeds=MOST // arms)


def _looped(console: Console, asked: Asked, folder: Path, progress: Report) -> dict[str, Any]:
    """Every seed with audit rows, and beside it without them."""
    seeds = range(asked.seed, asked.seed + asked.seeds)
    named = [(f"{seed} {arm}", seed, share) for seed in seeds for arm, share in _arms(asked)]
    plans = [Plan(at, name, seed, "lightgbm", share) for at, (name, seed, share) in enumerate(named)]
    terms = _terms(asked)
    diaries = _driven(console, terms, plans, folder, progress)
    return {"terms": _told(terms, plans), "visits": sum(d.visits for d in diaries), "loop": account(diaries)}


def _arms(asked: Asked) -> list[tuple[str, float]]:
    return [("with", asked.audit_share), ("without", 0.0)] if asked.audit_share else [("without", 0.0)]


def _compared(console: Console, asked: Asked, folder: Path, progress: Report) -> dict[str, Any]:
    """Every method in the same provinces; the one without reporting lag in a store of its own."""
    seeds = range(asked.seed, asked.seed + asked.seeds)
    named = [(method, seed) for method in STORED for seed in seeds]
    plans = [Plan(at, f"{seed} {method}", seed, method) for at, (method, seed) in enumerate(named)]
    # as the province's own project has it: who was not recorded counts as no onset
    terms = replace(_terms(asked), unrecorded="negative")
    diaries = _driven(console, terms, plans, folder, progress)
    prompt = [Plan(at, f"{seed} prompt", seed) for at, seed in enumerate(seeds)]
    found = {method: [d for d in diaries if d.plan.method == method] for method in STORED}
    found["lightgbm_prompt"] = _driven(console, replace(terms, prompt=True), prompt, folder, progress)
    visits = sum(diary.visits for part in found.values() for diary in part)
    return {"terms": _told(terms, [*plans, *prompt]), "visits": visits, "comparison": compare(found)}


def _terms(asked: Asked) -> Terms:
    return Terms(households=asked.households, per_county=asked.per_county, weeks=asked.weeks)


def _driven(console: Console, terms: Terms, plans: Sequence[Plan], folder: Path, progress: Report) -> list[Diary]:
    settings = console.settings
    return drive(
        terms, plans, folder / "state", threads=settings.threads, memory=settings.memory_limit, progress=progress
    )  # fmt: skip


def _told(terms: Terms, plans: Sequence[Plan]) -> dict[str, Any]:
    names = ("households", "per_county", "weeks", "history", "retrain", "stride", "unrecorded", "paths")
    shares = sorted({plan.audit_share for plan in plans})
    return {
        **{name: getattr(terms, name) for name in names},
        "provinces": len(plans),
        "seeds": sorted({plan.seed for plan in plans}),
        "audit_shares": shares,
    }


def _say(console: Console, report: dict[str, Any]) -> None:
    """The figures for a person."""
    from reports.documents import say
    from reports.loop import percent, plain, ranged

    language = console.language
    if "loop" in report:
        names = ("detection", "precision", "missed", "predicted", "observed")
        console.table(
            (say("loop_title", "zh"), say("loop_title", "en")),
            [("", ""), *((say(f"loop_{name}", "zh"), say(f"loop_{name}", "en")) for name in names)],
            [
                [say(f"loop_{arm}", language), *(ranged(found[n], plain if n == "missed" else percent) for n in names)]
                for arm, found in report["loop"]["whole"].items()
            ],
        )
        recall = report["loop"]["recall"]
        if recall:
            covered = recall["covered"]
            fields = {
                "intervals": covered["intervals"],
                "share": percent(covered["share"]),
                "low": percent(covered["expected"][0]),
                "high": percent(covered["expected"][1]),
            }
            console.say(say("loop_covered", "zh", **fields), say("loop_covered", "en", **fields))
        return
    found = report["comparison"]
    console.table(
        (say("reach_title", "zh"), say("reach_title", "en")),
        [
            ("方法", "method"),
            (say("reach_share", "zh"), say("reach_share", "en")),
            (say("reach_days", "zh"), say("reach_days", "en")),
        ],
        [
            [say(f"model_{name}", language), ranged(figures["reached"]), ranged(figures["days_to_help"], plain)]
            for name, figures in found["methods"].items()
        ],
    )
    times = found["times_rules"]
    fields = {"times": plain(times[0]), "low": plain(times[1]), "high": plain(times[2]), "aim": found["aim"]}
    console.say(say("reach_times", "zh", **fields), say("reach_times", "en", **fields))
