"""Model cards as pages, and, for the province's analyst, one score taken apart. No page here names a household."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from features.strict import Words
from reports.documents import catalogue, say
from reports.evaluation import MAIN, MEASURES, figure, groups_of, percent
from reports.recall import Recall
from serving import quality
from serving.casework import steering
from serving.casework.boards import miss
from serving.casework.disclosure import LEAST
from serving.web.office import Office
from serving.web.showing import show
from serving.web.visitor import OfficeOf, PageError, Staff, staff

router = APIRouter()
LOOKING = staff("analyst", "supervisor", "admin")
Looking = Annotated[Staff, Depends(LOOKING)]
Analysing = Annotated[Staff, Depends(staff("analyst"))]
PROMOTION = re.compile(r"zhouji\.promotion\.(?P<alias>[^.]+)\.(?P<what>reason|approver|gates|forced)")
HOUSEHOLD = re.compile(r"[0-9a-f]{24}")
DRAWN = 12
"""Parts that a waterfall shows one by one; the others are one bar."""


@router.get("/models", dependencies=[Depends(LOOKING)])
def models(request: Request, office: OfficeOf) -> Response:
    """All versions."""
    told = office.cards.versions()
    lists = _lists(office)
    return show(
        request, "models.html", told=told, versions=told.content, lists={one: len(runs) for one, runs in lists.items()},
        task=_task(office),
    )  # fmt: skip


@router.get("/models/{version}")
def card(request: Request, version: str, office: OfficeOf, who: Looking) -> Response:
    """A version's card."""
    told = office.cards.versions()
    known = next((one for one in told.content if one["number"] == version), None)
    if known is None:
        raise PageError(404, "version")
    whole = office.cards.card(version)
    content: Mapping[str, Any] = whole.content if whole else {}
    report: Mapping[str, Any] = content.get("evaluation") or {}
    runs = _lists(office).get(version, [])
    return show(
        request, "model.html", version=known, told=whole or told, training=content.get("training"),
        calibration=content.get("calibration"), precision=content.get("precision"), figure=figure, percent=percent,
        promotions=promotions(known["tags"]), runs=runs, recall=_recall(office, who, runs), miss=miss, least=LEAST,
        reasons=_reasons(office, runs), task=_task(office), address=_address(office, content),
        **_measured(office, report, who.language),
    )  # fmt: skip


@router.get("/models/{version}/cases/{household_id}")
def taken_apart(request: Request, version: str, household_id: str, office: OfficeOf, who: Analysing) -> Response:
    """One score of the newest list's day with all its parts; the look is written down."""
    if not office.tree.is_whole(who.actor.area):
        raise PageError(403, "area")
    found = office.take_apart(version, household_id) if HOUSEHOLD.fullmatch(household_id) else None
    if found is None:
        raise PageError(404, "version")
    office.desk.note(who.actor, "view", household_id, page="model", version=version, day=str(found.day))
    shown, others = found.parts[:DRAWN], found.parts[DRAWN:]
    steps = [(who.word(one.names), one.contribution) for one in shown]
    if others:
        rest = sum(one.contribution for one in others)
        steps.append((who.say(f"其他 {len(others)} 项", f"{len(others)} others"), rest))
    return show(request, "anatomy.html", found=found, steps=steps, most=max(abs(p.contribution) for p in found.parts))


def promotions(tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
    """Who moved which alias to a version, and why.

    >>> promotions({"zhouji.promotion.champion.reason": "better", "other": ""})
    [('champion', {'reason': 'better'})]
    """
    found: dict[str, dict[str, str]] = {}
    for key, text in sorted(tags.items()):
        match = PROMOTION.fullmatch(key)
        if match:
            found.setdefault(match["alias"], {})[match["what"]] = text
    return sorted(found.items())


def _task(office: Office) -> Words:
    return office.project.tasks[office.project.task(office.settings.task or None)[0]].title


def _lists(office: Office) -> dict[str, list[str]]:
    """Published runs by the version that made them, newest first."""
    found: dict[str, list[str]] = {}
    for week in office.weeks.newest_first():
        found.setdefault(str(week.receipt["version"]), []).append(week.run.run_id)
    return found


def _measured(office: Office, report: Mapping[str, Any], language: str) -> dict[str, Any]:
    """What an evaluation says, in words."""
    compared = report.get("models") or {}
    order = sorted(compared, key=lambda name: name != MAIN)
    return {
        "report": report,
        "measures": [(key, say(f"measure_{key}", language)) for key in MEASURES],
        "models": [(_named(name, language), compared[name]) for name in order],
        "capacity": _capacity(report, language),
        "fairness": groups_of(report.get("fairness") or {}, office.project, language),
        "slices": groups_of(report.get("slices") or {}, office.project, language),
    }


def _named(name: str, language: str) -> str:
    return say(f"model_{name}", language) if f"model_{name}" in catalogue() else name


def _capacity(report: Mapping[str, Any], language: str) -> list[tuple[str, float, float, float]]:
    """Precision of lists of the areas' capacity, by model, with intervals."""
    found = []
    for name, values in ((report.get("capacity") or {}).get("models") or {}).items():
        low, high = values.get("precision_interval") or (None, None)
        if values.get("precision") is not None and low is not None and high is not None:
            found.append((_named(name, language), values["precision"], low, high))
    return sorted(found, key=lambda row: -row[1])


def _recall(office: Office, who: Staff, runs: Sequence[str]) -> Recall | None:
    days = office.weeks.days()
    if not days or not runs:
        return None
    found = office.shelf.take(
        ("recall", who.actor.area, *runs),
        lambda: steering.missed_by_runs(office.desk, who.actor, days[-1], runs),
    )
    return found if found.audit_rows >= LEAST and found.caught + found.missed > 0 else None


def _reasons(office: Office, runs: Sequence[str]) -> Mapping[str, Any] | None:
    """Reasons of the newest list of a version that kept a note of them."""
    for run in runs:
        seen = quality.noted(office.home, run)
        if seen is not None and seen["reasons"]["rows"]:
            found: Mapping[str, Any] = seen["reasons"]
            return found
    return None


def _address(office: Office, content: Mapping[str, Any]) -> str:
    """Where the training stands in MLflow, for those who can reach it; empty where MLflow has no pages."""
    training, uri = content.get("training"), office.settings.mlflow_uri
    if not training or not uri.startswith(("http://", "https://")) or "@" in uri:
        return ""
    return f"{uri.rstrip('/')}/#/experiments/{training['experiment_id']}/runs/{training['run_id']}"
