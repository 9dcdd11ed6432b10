"""What the story's visitors write down: complete forms, with causes and needs that go with what the list had found."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from serving.casework.classification import Form

_BY_REASON: Mapping[str, tuple[str, str]] = {
    "expense": ("C1", "N04"), "income": ("C4", "N09"), "population": ("C2", "N12"), "assistance_gap": ("C1", "N04"),
    "vulnerability": ("C2", "N11"),
}  # fmt: skip
"""Family of the first reason → cause and need."""
_NOTES: Mapping[str, str] = {
    "V1": "户主住院后家中收入中断，积蓄基本用完。", "V2": "目前尚能维持，医药费负担在加重。",
    "V3": "近期支出为一次性，家庭收入稳定。", "V4": "记录与实际不符，该成员两年前已迁出。",
    "V5": "已在享受救助，待遇按时发放。", "V6": "务工淡季收入下降，下月开工。", "V7": "上门两次均无人应答。",
    "V8": "户主表示不需要帮助。", "V9": "户主外出务工，其他成员说不清，需再访。",
}  # fmt: skip


def need_of(row: Mapping[str, Any]) -> str:
    """The need that goes with what the list said first."""
    return _pair(row)[1]


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    reasons = row.get("reasons") or [{}]
    return _BY_REASON.get(str(reasons[0].get("family", "")), ("C1", "N04"))


def form_of(validity: str, row: Mapping[str, Any], today: date, luck: random.Random) -> Form:
    """A complete form for a finding.

    >>> form_of("V3", {}, date(2026, 11, 3), random.Random(1)).disposition
    'D6'
    """
    cause, need = _pair(row)
    helped: dict[str, Any] = {"causes": (cause,), "disposition": "D3", "needs": (need,), "evidence": ("bills", "seen")}
    by: Mapping[str, Mapping[str, Any]] = {
        "V1": {**helped, "depth": luck.randint(2, 4), "onset": today - timedelta(days=luck.randint(20, 120))},
        "V2": {**helped, "evidence": ("statement",)},
        "V3": {"evidence": ("seen",), "disposition": "D6"},
        "V4": {"evidence": ("documents",), "disposition": "D7"},
        "V5": {"evidence": ("register",), "disposition": "D6"},
        "V6": {"evidence": ("statement",), "disposition": "D5", "watch_until": today + timedelta(days=60)},
        "V7": {"disposition": "D6"},
        "V8": {"disposition": "D6"},
        "V9": {"disposition": "D5", "recheck_on": today + timedelta(days=14)},
    }
    unmet = validity in ("V7", "V8")
    met = ("nobody",) if unmet else (luck.choice(("head", "spouse", "member")),)
    seen = (
        {} if unmet else {"savings": luck.choice(("none", "under_1_month")), "kin": luck.choice(("none", "sometimes"))}
    )
    return Form(
        visited_on=today, method="home", met=met, minutes=luck.randint(5, 12) if unmet else luck.randint(25, 70),
        validity=validity, note=_NOTES[validity], **seen, **by[validity],
    )  # fmt: skip


def begun(today: date, luck: random.Random) -> dict[str, Any]:
    """A form that somebody has begun and laid aside."""
    return {
        "visited_on": str(today), "method": "home", "met": ["head"], "minutes": str(luck.randint(25, 70)),
        "note": "已见到户主，票据下午补看。",
    }  # fmt: skip
