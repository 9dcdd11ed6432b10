"""Promotion: an alias moves to a version when every gate of the project lets it pass.

A gate names a measure of the version's newest evaluation: `auc` is the model's own; `differences.logistic.auc` how far
it is above a baseline; `champion.auc` how far above the present champion, both on the same rows and resamples; ends of
intervals are `…_low` and `…_high`. A person may force a promotion; their name and reason are kept with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.errors import UsageError
from features.project import Gate, Project
from models.registry import CHAMPION, Registry, Version
from training.evaluation import MAIN


@dataclass(frozen=True)
class GateResult:
    """One gate with its number and its verdict; `value` is None where the evaluation does not tell."""

    measure: str
    value: float | None
    bound: str
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """What the gates said, and whether the alias moved; `previous` is the version it pointed to before."""

    version: str
    alias: str
    previous: str | None
    gates: tuple[GateResult, ...]
    passed: bool
    moved: bool
    evaluated: str


def promote(
    project: Project,
    task: str,
    registry: Registry,
    *,
    version: str,
    alias: str,
    reason: str,
    approver: str,
    force: bool = False,
    dry_run: bool = False,
) -> Decision:
    """Hold a version against the gates, and move the alias if all let it pass or a person forces it.

    Raises:
        UsageError: there is no such version; a promotion is forced without a reason or a name.
    """
    chosen = registry.version(project.name, task, version)
    if force and not (reason.strip() and approver.strip()):
        raise UsageError("promotion_force_unsigned", version=chosen.number)
    report = registry.evaluation(project.name, task, chosen)
    holder = _holder(registry, project.name, task, CHAMPION)
    gates = judge(project.promotion.gates, report, chosen, holder)
    passed = all(gate.passed for gate in gates)
    previous = _holder(registry, project.name, task, alias)
    moved = (passed or force) and not dry_run and previous != chosen.number
    if moved:
        registry.move(
            project.name, task, chosen.number, alias, note=_note(gates, alias, reason, approver, passed=passed)
        )
    return Decision(chosen.number, alias, previous, gates, passed, moved, _window(report))


def judge(
    gates: list[Gate], report: Mapping[str, Any] | None, version: Version, champion: str | None
) -> tuple[GateResult, ...]:
    """Every gate's number and verdict; a number that is not told does not pass."""
    return tuple(_judge_one(gate, report or {}, version, champion) for gate in gates)


def _judge_one(gate: Gate, report: Mapping[str, Any], version: Version, champion: str | None) -> GateResult:
    bound = " ".join(
        f"{sign} {limit:g}" for sign, limit in (("≥", gate.at_least), ("≤", gate.at_most)) if limit is not None
    )
    if gate.measure.startswith("champion."):
        if champion is None or champion == version.number:
            return GateResult(gate.measure, None, bound, passed=True, note="no_other_champion")
        if report.get("champion_version") != champion:
            return GateResult(gate.measure, None, bound, passed=False, note="not_evaluated_against_champion")
    value = find_measure(report, gate.measure)
    if value is None:
        return GateResult(gate.measure, None, bound, passed=False, note="not_measured")
    low = gate.at_least is None or value >= gate.at_least
    high = gate.at_most is None or value <= gate.at_most
    return GateResult(gate.measure, value, bound, passed=low and high)


def find_measure(report: Mapping[str, Any], measure: str) -> float | None:
    """A number of a report by its path.

    >>> find_measure({"models": {"lightgbm": {"auc": 0.8, "auc_interval": [0.7, 0.9]}}}, "auc_low")
    0.7
    """
    for start in (f"models.{MAIN}.", "differences.", ""):
        found = _at(report, f"{start}{measure}".split("."))
        if found is not None:
            return found
    return None


def _at(content: Any, path: list[str]) -> float | None:
    for part in path[:-1]:
        content = content.get(part) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping):
        return None
    last = path[-1]
    value = content.get(last)
    for ending, end in (("_low", 0), ("_high", 1)):
        if value is None and last.endswith(ending):
            interval = content.get(f"{last.removesuffix(ending)}_interval")
            value = interval[end] if interval else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _holder(registry: Registry, project: str, task: str, alias: str) -> str | None:
    return next((v.number for v in registry.versions(project, task) if alias in v.aliases), None)


def _note(gates: tuple[GateResult, ...], alias: str, reason: str, approver: str, *, passed: bool) -> dict[str, str]:
    told = "; ".join(f"{gate.measure}={gate.value} ({gate.bound}) {'yes' if gate.passed else 'no'}" for gate in gates)
    note = {"reason": reason, "approver": approver, "gates": told, "forced": str(not passed).lower()}
    return {f"promotion.{alias}.{key}": value for key, value in note.items()}


def _window(report: Mapping[str, Any] | None) -> str:
    """Which outcomes the gates were judged on."""
    if report is None:
        return "none"
    return (
        f"{report['first']}/{report['last']}" if "first" in report else f"out of fold ({report.get('out_of_fold', '')})"
    )
