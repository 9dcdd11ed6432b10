"""Lists with numbers and reasons as a real run writes them; random rows look like the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serving.casework import cases
from serving.casework.alerts import open_week
from serving.casework.case import Case
from serving.casework.desk import Desk
from serving.web.office import Office
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


def explained(household_id: str, run_id: str) -> dict[str, Any]:
    """What a run leaves of every listed household, whichever way it came on the list."""
    del run_id
    both = {"zh": "近3个月医疗自付", "en": "own medical payments of three months"}
    source = {"zh": "医保部门", "en": "medical security"}
    return {
        "household_id": household_id, "as_of": "2026-03-01", "base_rate": 0.04, "bands": {"red": 0.3, "orange": 0.2, "yellow": 0.1},
        "gist": {"zh": "近3个月医疗自付明显高于平时。", "en": "Own medical payments are far above usual."},
        "trend": [["2026-02-15", 0.21, "orange"], ["2026-02-22", 0.24, "orange"], ["2026-03-01", 0.32, "red"]],
        "changes": [
            {
                "name": both, "family": "expense", "before": {"zh": "3,020 元", "en": "3,020 yuan"},
                "after": {"zh": "9,110 元", "en": "9,110 yuan"}, "raises": True, "source": source, "day": "2026-02-27",
            }
        ],
        "lowering": [
            {"name": both, "before": {"zh": "9,110 元", "en": "9,110 yuan"}, "after": {"zh": "3,020 元", "en": "3,020 yuan"}, "per_100": 19}
        ],
        "gaps": [
            {
                "feed": "power", "name": {"zh": "居民用电", "en": "power use"}, "department": {"zh": "供电企业", "en": "power company"},
                "status": "late", "newest": "2026-01", "age_days": 40,
            }
        ],
        "peers": [
            {
                "name": both, "value": 9110.0, "low": 0.0, "median": 1450.0, "high": 6000.0, "shown": {"zh": "9,110 元", "en": "9,110 yuan"},
                "shown_median": {"zh": "1,450 元", "en": "1,450 yuan"}, "place": {"zh": "高于约 9 成同类家庭", "en": "above about 9 in 10 peers"},
                "share_below": 0.93,
            }
        ],
        "peer_group": {"zh": "同一走访区的家庭", "en": "households of the same visiting area"}, "peer_count": 240,
        "aid": [{"need": "N04", "basis": [both]}, {"need": "N09", "basis": [{"zh": "失业登记", "en": "unemployment registered"}]}],
        "records": [
            {"day": "2026-02-18", "table": "assistance", "detail": {"programme": "medical", "action": "paid", "amount": 120000}},
            {"day": "2025-11-02", "table": "event", "detail": {"kind": "hospital_admission"}},
        ],
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


def case_of(office: Office, number: int = 0) -> Case:
    """A household's newest case."""
    with office.desk.database.reading() as session:
        found = cases.newest_case(session, household(number))
    assert found is not None
    return found
