"""A small generated world in which every signal of the indicator table has records, for both clocks."""

from __future__ import annotations

from datetime import timedelta

from features.calendar import period_end, period_start
from tests import worlds
from tests.worlds import FIRST, MONTHS, World, feed, pseudonym

AGO = 16
"""Months of history before the world's first month: windows reach back a year and a quarter."""
DAYS = tuple(period_end("month", FIRST + k) - timedelta(days=back) for k, back in ((3, 0), (8, 11)))
PARAMETERS = {
    "status_lapse_days": [{"value": 60, "since": "2000-01-01", "source": "trial"}],
    "rigid_status_days": [{"value": 365, "since": "2000-01-01", "source": "trial"}],
    "care_allowance_grade": [
        {"value": 2, "since": "2000-01-01", "source": "trial"},
        {"value": 1, "since": "2020-08-01", "source": "trial"},
    ],
    "typhoon_first_month": [{"value": 6, "since": "2000-01-01", "source": "trial"}],
    "typhoon_last_month": [{"value": 10, "since": "2000-01-01", "source": "trial"}],
    "cpi_supplement_index": [{"value": 103, "since": "2000-01-01", "source": "trial"}],
}
VOCABULARIES = {
    "event.kind": {"data_issue": {"zh": "数据问题", "en": "data issue"}},
    "schedule.kind": {
        "school_term": {"zh": "开学", "en": "school term"},
        "medical_trigger_low_income": {"zh": "低收入触发线", "en": "trigger, low income"},
        "disability_living": {"zh": "生活补贴", "en": "living allowance"},
        "disability_care": {"zh": "护理补贴", "en": "care allowance"},
    },
    "area_reading.kind": {"region": {"zh": "区域", "en": "region"}},
}
FEEDS = {
    "register": feed("household", [{"set": {"valid_from": "when", "area_code": "y"}}]),
    "people": feed("member", [{"set": {"person_id": "y", "valid_from": "when"}}]),
    "incomes": feed("income", [{"set": {"amount": "x"}}]),
    "meters": feed("reading", [{"set": {"value": "x"}, "const": {"kind": "power_kwh"}}], within=5),
    "surveys": feed("reading", [{"set": {"value": "x"}}]),
    "insurance": feed("reading", [{"set": {"value": "x"}}], person=True),
    "bills": feed("expense", [{"set": {"amount": "x"}}], person=True),
    "happenings": feed("event", [{"set": {"event_date": "when"}}]),
    "registers": feed("event", [{"set": {"event_date": "when"}}], person=True),
    "status": feed("category", [{"set": {"valid_from": "when"}}]),
    "aid": feed("assistance", [{"set": {"action_date": "when"}}]),
    "findings": feed("outcome", [{"set": {"finding_date": "when"}}]),
    "referrals": feed("referral", [{"set": {"sent_on": "when"}}]),
    "staff": feed("employer_month", [{"set": {"insured": "x"}}]),
    "lines": feed("assistance_line", [{"set": {"valid_from": "when"}}]),
    "fees": feed("schedule", [{"set": {"valid_from": "when"}}]),
    "places": feed("area_reading", [{"set": {"value": "x"}}]),
}
PERSONAL = ("hospital_admission", "outpatient_special", "serious_illness", "unemployment_registered", "pension_stopped",
            "disability_certified", "disability_upgraded", "death", "school_entry", "care_dependency", "imprisonment")  # fmt: skip
SHARED = ("birth", "divorce", "lost_contact", "moved_in", "moved_out", "migrant_returned", "farm_stopped", "disaster_loss",
          "dwelling_damaged", "utility_arrears", "child_left_behind", "child_in_difficulty", "child_unsupported",
          "business_closed", "visit_finding", "data_issue")  # fmt: skip
DETAILS = {"school_entry": ("senior", "college", "compulsory"), "disaster_loss": ("crop", "stock", "dwelling"),
           "visit_finding": ("contradicts_data", "agrees")}  # fmt: skip
FIRMS = tuple(pseudonym(f"firm-{ix}") for ix in range(3))


def project(indicators, *, buckets=3):
    """A project with every feed, area level and parameter that the indicator table asks for."""
    return worlds.project(buckets=buckets, feeds=FEEDS, vocabularies=VOCABULARIES, indicators=indicators)


class Province(World):
    """Households with all signals; what is known late, corrected and announced among them."""

    def _household(self, home, ix, homes):
        start = period_start("month", FIRST - AGO)
        area = self.pick("n1", "n2", "s1")
        self.metered = FIRST + (1 if area == "s1" else MONTHS)  # a county whose meters fall silent
        self.add("household", self.lag(start, 200), household_id=home, valid_from=start, period_end=start,
                 area_code=area, residence=self.pick("urban", "rural"), weight=1.0,
                 housing_grade=self.pick("A", "B", "C", "D", None), feed="register")  # fmt: skip
        for number in range(self.pick(1, 1, 2, 3)):
            self._person(pseudonym(f"{home}-{number}"), home, homes)
        farming = self.chance(0.6)
        for p in range(FIRST - AGO, FIRST + MONTHS):
            self._month(home, p, farming=farming)

    def _person(self, person, home, homes):
        start = period_start("month", FIRST - AGO)
        gone = self.chance(0.3)
        common = {"person_id": person, "feed": "people", "birth_month": f"{self.pick(1940, 1950, 1985, 2010)}-05",
                  "relation": "head", "illness": self.pick("none", "serious", None),
                  "disability_grade": self.pick(None, None, 1, 2, 3)}  # fmt: skip
        work = self.pick("formal", "informal", "farm", "retired", "student")
        changed = period_start("month", FIRST - 4 + self.pick(0, 3, 6))
        self.add("member", self.lag(start, 300), household_id=home, valid_from=start, period_end=start,
                 valid_to=changed, work_state=work, **common)  # fmt: skip
        self.add("member", self.lag(changed, 60), household_id=home, valid_from=changed, period_end=changed,
                 valid_to=self._day(FIRST + self.pick(1, 3, 6)) if gone else None,
                 leave_reason=self.pick("death", "divorce", "split") if gone else None,
                 work_state=self.pick(work, "unemployed"),
                 education_stage=self.pick("none", "compulsory", "senior", "college"), **common)  # fmt: skip
        if self.chance(0.25):
            self.add("member", self.lag(changed, 60), household_id=self.pick(*homes), valid_from=changed,
                     period_end=changed, work_state=work, **common)  # fmt: skip
        firm, paid_until = self.pick(*FIRMS, None), FIRST + self.pick(2, 4, 30, 30)
        for p in range(FIRST - AGO, FIRST + MONTHS):
            self._insured(person, p, firm, paid=p < paid_until)
            if self.chance(0.35):
                self._bill(person, p)
            if self.chance(0.4):
                self._dated("event", "registers", self._day(p), person_id=person, **self._event(*PERSONAL))

    def _insured(self, person, p, firm, *, paid):
        end = period_end("month", p)
        span = {"person_id": person, "period_start": period_start("month", p), "period_end": end, "feed": "insurance"}
        known = self.lag(end, 50)
        self.add(
            "reading", known, kind="pension_insured", value=float(paid), employer_id=firm if paid else None, **span
        )
        if paid and self.chance(0.9):
            self.add("reading", known, kind="contribution_base", value=float(self.random.integers(2000, 9000)), **span)
        if self.chance(0.5):
            self.add("reading", known, kind="medical_insured", value=float(self.chance(0.7)), **span)

    def _bill(self, person, p):
        kind = self.pick("medical", "medical", "medical", "rehabilitation", "funeral")
        helped = self.pick(0, 0, 5000, None)
        bill = self._dated("expense", "bills", self._day(p), person_id=person, kind=kind, covered_assistance=helped,
                           amount=int(self.random.integers(1, 900_000)), place=self.pick("local", "elsewhere"))  # fmt: skip
        if self.chance(0.1):
            self.correct(bill, amount=int(self.random.integers(1, 900)))

    def _event(self, *kinds):
        kind = self.pick(*kinds)
        detail = self.pick(*DETAILS[kind]) if kind in DETAILS else None
        return {"kind": kind, "detail": detail, "amount": int(self.random.integers(1, 900_000)),
                "severity": self.pick(1.0, 2.0, 4.0, None)}  # fmt: skip

    def _dated(self, table, feed_id, day, **values):
        return self.add(
            table, self.lag(day), period_start=day, period_end=day, feed=feed_id, **{_when(table): day}, **values
        )

    def _day(self, p):
        return period_start("month", p) + timedelta(days=int(self.random.integers(0, 27)))

    def _month(self, home, p, *, farming=False):
        start, end = period_start("month", p), period_end("month", p)
        span = {"household_id": home, "period_start": start, "period_end": end}
        if farming and self.chance(0.8):
            self.add(
                "income",
                self.lag(end),
                source="farm",
                amount=int(self.random.integers(0, 90_000)),
                feed="incomes",
                **span,
            )
            self.add("reading", self.lag(end), kind="farm_area", value=float(self.pick(0, 3, 5)) if p < FIRST else 0.0,
                     feed="surveys", **span)  # fmt: skip
        if self.chance(0.6):
            self.add(
                "income",
                self.lag(end),
                source="pension",
                amount=int(self.pick(0, 80_000, 90_000)),
                feed="incomes",
                **span,
            )
        if self.chance(0.9) and p < self.metered:
            self.add(
                "reading",
                self.lag(end, 30),
                kind="power_kwh",
                value=float(self.random.integers(10, 300)),
                feed="meters",
                **span,
            )
        for kind, values in (("declared_income", (300, 900, 4000)), ("declared_savings_band", (0, 1, 2, 3)),
                             ("visit_score", (0, 1, 3)), ("declared_turnover", (0, 500, 9000))):  # fmt: skip
            if self.chance(0.15):
                self.add("reading", self.lag(end), kind=kind, value=float(self.pick(*values)), feed="surveys", **span)
        for _ in range(self.pick(0, 1, 1, 2)):
            self._dated("event", "happenings", self._day(p), household_id=home, **self._event(*SHARED))
        if self.chance(0.1):
            day = end + timedelta(days=int(self.random.integers(0, 100)))
            self.add("event", self.lag(start), household_id=home, kind="unemployment_benefit_end", event_date=day,
                     period_start=day, period_end=day, feed="happenings")  # fmt: skip
        if self.chance(0.15):
            self._help(home, p)

    def _help(self, home, p):
        day = self._day(p)
        programme = self.pick("emergency_medical", "education", "disaster", "disability_living", "dibao")
        for action in self.pick(("due",), ("due", "paid"), ("granted", "paid")):
            self._dated("assistance", "aid", day, household_id=home, programme=programme, action=action,
                        amount=int(self.random.integers(1, 90_000)))  # fmt: skip
        if self.chance(0.5):
            until = self._day(p + self.pick(2, 5))
            self.add("category", self.lag(day, 40), household_id=home, category=self.pick("dibao", "rigid_expenditure"),
                     valid_from=day, valid_to=self.pick(until, None), feed="status", period_end=day,
                     expires_on=self.pick(None, day + timedelta(days=200)))  # fmt: skip
        self._dated("outcome", "findings", self._day(p), household_id=home, kind=self.pick("hardship", "no_hardship"),
                    validity_code=self.pick("V1", "V3", "V4"), source="visit")  # fmt: skip
        sent = self._day(p)
        referral = self._dated("referral", "referrals", sent, household_id=home, referral_id=str(self.serial),
                               need_code="N01", due_on=sent + timedelta(days=20))  # fmt: skip
        if self.chance(0.4):
            self.correct(referral, answered_on=sent + timedelta(days=45))

    def _places(self):
        day = period_start("month", FIRST - AGO)
        for area, residence in (("g", "urban"), ("g", "rural"), ("n", "urban")):
            self.add("assistance_line", self.lag(day, 90), area_code=area, residence=residence, valid_from=day, period_end=day,
                     dibao_yuan_month=int(self.random.integers(50_000, 90_000)), edge_multiplier=1.5, rigid_share=0.6,
                     feed="lines")  # fmt: skip
        for kind, stage, amounts in (("school_fee", "senior", (240_000, 250_000)), ("school_fee", "college", (520_000,)),
                                     ("medical_trigger", None, (2_600_000,)), ("medical_trigger_low_income", None, (1_000_000,)),
                                     ("disability_living", None, (20_000, 25_000)), ("disability_care", None, (26_000,))):  # fmt: skip
            for ix, amount in enumerate(amounts):
                self._scheduled(kind, stage, period_start("month", FIRST - AGO + 18 * ix), amount, self.pick(None, "g"))
        for p in (-12, -5, 1, 8):
            self._scheduled("school_term", None, period_start("month", FIRST + p), 0, None)
        self._scheduled("school_term", None, period_start("month", FIRST + 7), 0, "s")
        for p in range(FIRST - 12, FIRST + MONTHS):
            end = period_end("month", p)
            for kind, area, value in (("cpi", "n", 101.5), ("cpi", "s", 103 + p % 3), ("region", "n", 1), ("region", "s", 4),
                                      ("hazard_class", self.pick("n1", "s"), self.random.integers(0, 4))):  # fmt: skip
                self.add(
                    "area_reading",
                    self.lag(end),
                    area_code=area,
                    kind=kind,
                    period_end=end,
                    value=float(value),
                    feed="places",
                )
            for firm in FIRMS:
                self.add("employer_month", self.lag(end), employer_id=firm, period_start=period_start("month", p), period_end=end,
                         insured=int(self.random.integers(5, 90)), left=int(self.random.integers(0, 5)), feed="staff")  # fmt: skip

    def _scheduled(self, kind, stage, day, amount, area):
        self.add("schedule", day - timedelta(days=120), kind=kind, stage=stage, area_code=area, valid_from=day,
                 period_end=day, amount=amount, feed="fees")  # fmt: skip


def _when(table):
    return {"assistance": "action_date", "outcome": "finding_date", "referral": "sent_on"}.get(table, "event_date")
