"""Lists with numbers and reasons as a real run writes them; random rows look like the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serving.casework.alerts import open_week
from serving.casework.desk import Desk
from tests.casework.desks import Listed, household
from tests.casework.made import VILLAGE_AREA

SENTENCES = {
    "expense": ("近3个月医疗自付 27,130 元，约为平时的 9 倍", "27,130 yuan of own medical payments in three months, 9 times the usual"),
    "income": ("工资收入连续两个月没有缴费记录", "no contributions from wages for two months"),
    "population": ("家中新增二级残疾成员一人", "a member was certified disabled, grade two"),
}  # fmt: skip
LEVELS = ("red", "orange", "yellow")


def reason(family: str, influence: int) -> dict[str, Any]:
    zh, en = SENTENCES[family]
    return {
        "family": family, "sentence": {"zh": zh, "en": en}, "influence": influence, "share": 0.4,
        "value": {"zh": "27,130 元", "en": "27,130 yuan"}, "usual": {"zh": "3,020 元", "en": "3,020 yuan"},
        "peers": {"zh": "1,450 元", "en": "1,450 yuan"}, "source": {"zh": "医保部门", "en": "medical security"},
        "record": {
            "department": {"zh": "医保部门", "en": "medical security"}, "feed": {"zh": "医保结算", "en": "settlements"},
            "file": "settlements.csv", "line": 17, "delivery": "d1", "day": "2026-02-18",
        },
        "history": [1000.0, 1010.0, None, 900.0, 1200.0, 8670.0, 18460.0],
    }  # fmt: skip


@dataclass
class Rich(Listed):
    """Rows with everything that a page shows."""

    def households(self) -> list[dict[str, Any]]:
        families = list(SENTENCES)
        return [
            {
                **row, "level": LEVELS[at % 3] if row["level"] != "none" else "none", "change": ("new", "up", "same")[at % 3],
                "change_per_100": (0, 14, 0)[at % 3], "per_100": 32 - at % 30, "probability": 0.32 - at % 30 / 100,
                "range": [0.25, 0.39], "rank": at + 1,
                "reasons": [reason(families[at % 3], 5), reason(families[(at + 1) % 3], 3)],
                "explained": 0.86, "relief": [reason("income", 1)], "triggers": [],
            }
            for at, row in enumerate(super().households())
        ]  # fmt: skip


def rich(desk: Desk, count: int, area: str = VILLAGE_AREA) -> Rich:
    rows = {household(n): (area, "audit" if n % 9 == 8 else "risk", LEVELS[n % 3]) for n in range(count)}
    run = Rich(rows=rows)
    open_week(desk, run)  # type: ignore[arg-type]
    return run
