"""Cases, forms and actors for tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from serving.casework import actions as a
from serving.casework.actor import Actor, clock
from serving.casework.case import Case, Owner
from serving.casework.classification import Form
from serving.casework.deadlines import read_rules
from serving.casework.workflow import step

RULES = read_rules()
VILLAGE_AREA, TOWN_AREA, COUNTY_AREA, PROVINCE = "441802006001", "441802006", "441802", "440000"
DAY = date(2026, 3, 2)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)  # ten in the morning in the province
VILLAGE = Actor(account="v1", role="village", area=VILLAGE_AREA)
TOWN = Actor(account="t1", role="town", area=TOWN_AREA)
COUNTY = Actor(account="c1", role="county", area=COUNTY_AREA)
SUPERVISOR = Actor(account="s1", role="supervisor", area=PROVINCE)
CLOCK = clock(PROVINCE)
HOUSEHOLD = "0123456789abcdef01234567"


def desk(department: str) -> Actor:
    return Actor(account=f"d-{department}", role="department", area=COUNTY_AREA, department=department)


def alert(**changes: object) -> Case:
    return Case(**{
        "case_id": "case1", "household_id": HOUSEHOLD, "area_code": VILLAGE_AREA, "state": "alert", "since": MONDAY,
        "owner": Owner(role="town", area=VILLAGE_AREA), "origin": "list", "opened_on": date(2026, 3, 1),
        "visit_by": date(2026, 3, 9), **changes,
    })  # fmt: skip


def form(validity: str = "V1", **changes: object) -> Form:
    """A complete form of a visit on Monday."""
    by = {
        "V1": {"causes": ("C1",), "depth": 2, "evidence": ("bills",), "disposition": "D3", "needs": ("N04",)},
        "V2": {"causes": ("C4",), "evidence": ("statement",), "disposition": "D3", "needs": ("N09",)},
        "V3": {"evidence": ("seen",), "disposition": "D6"},
        "V4": {"evidence": ("documents",), "disposition": "D7"},
        "V5": {"evidence": ("register",), "disposition": "D6"},
        "V6": {"evidence": ("statement",), "disposition": "D4"},
        "V7": {"met": ("nobody",), "disposition": "D6"},
        "V8": {"met": ("nobody",), "disposition": "D6"},
        "V9": {"disposition": "D5", "recheck_on": DAY + timedelta(days=14), "note": "户主外出务工，需再访"},
    }[validity]
    return Form(
        **{"visited_on": DAY, "method": "home", "met": ("head",), "minutes": 40, "validity": validity, **by, **changes}
    )


def through(case: Case, *actions: a.Action, at: datetime = MONDAY) -> Case:
    """The case after these actions."""
    for action in actions:
        case, _ = step(case, action, RULES, at)
    return case


def classified(validity: str = "V1", **changes: object) -> Case:
    return through(alert(), a.Assign(by=TOWN, to=VILLAGE), a.Classify(by=VILLAGE, form=form(validity, **changes)))


def referred(need: str = "N04", **changes: object) -> Case:
    return through(classified(), a.Refer(by=TOWN, referral_id="r1", need=need, **changes))


def answer(
    code: str, department: str = "medical_security", referral_id: str = "r1", **changes: object
) -> a.AnswerReferral:
    more = {"F1": {"help": "医疗救助", "amount_fen": 200_000}, "F5": {"help": "医疗救助", "reasons": ("超出目录",)},
            "F2": {"reasons": ("收入超过标准",)}}.get(code, {})  # fmt: skip
    by = COUNTY if department == "county_mechanism" else desk(department)
    return a.AnswerReferral(**{"by": by, "referral_id": referral_id, "code": code, **more, **changes})
