"""A week of one small province: the list is made, caseworkers visit, and what they find is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from features.calendar import period_end
from features.project import Project
from features.province.field import HELPED, NEVER, UNTOLD, Answers, Findings, answer, visit
from features.province.helping import Kind
from serving.listing import Earlier, Entry, Episode, Finding, Selection, select
from serving.loop.diary import Call, Diary, Week
from serving.loop.lives import FIELD_STREAM, Life

REMEMBERED_DAYS = 120
"""Findings older than this no longer keep anybody off a list."""


@dataclass
class Desk:
    """What a province's list-makers and caseworkers remember from week to week.

    Attributes:
        promised: help on its way: day, household, kind.
    """

    life: Life
    diary: Diary
    names: np.ndarray
    episodes: tuple[Episode, ...] = ()
    last_list: date | None = None
    findings: list[tuple[Finding, int]] = field(default_factory=list)
    promised: list[tuple[date, int, Kind]] = field(default_factory=list)
    written: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.row_of = {name: row for row, name in enumerate(self.names)}

    def week(self, project: Project, day: date, cohort: pd.DataFrame, events: dict[str, date]) -> None:
        """Make the list of a day and visit everybody on it in the week after.

        Args:
            project: rules of the list and capacity.
            day: the as-of day.
            cohort: household_id, area and risk of everybody not known to be in hardship, and whether enough is known.
            events: each household's newest event.
        """
        made = self._list(project, day, cohort, events)
        found = self._visits(day)
        self._record(day, made, found, cohort)
        self._follow_up(day, made.entries, found)
        self.episodes, self.last_list = made.episodes, day

    def month_end(self, entered: date) -> None:
        """Enter the month's visits as a delivery, and let the help that has arrived change the world."""
        if self.written:
            rows = pa.Table.from_pylist([{**row, "录入日期": entered} for row in self.written], VISITS)
            self.life.add("visits", rows)
            self.written = []
        last = period_end("month", self.life.index)
        for kind in ("grant", "assistance"):
            due = [row for day, row, promised in self.promised if promised == kind and day <= last]
            if due:
                self.life.help(np.array(due), kind)
        self.promised = [entry for entry in self.promised if entry[0] > last]

    def _list(self, project: Project, day: date, cohort: pd.DataFrame, events: dict[str, date]) -> Selection:
        plan = self.life.plan
        rules = project.listing.model_copy(update={"audit_share": plan.audit_share})
        capacity = {code: project.capacity.by_area.get(code, project.capacity.default) for code in self.life.counties}
        self.findings = [entry for entry in self.findings if (day - entry[0].found_on).days < REMEMBERED_DAYS]
        # every list is as long as the capacity: methods are compared at equal visits, in the order of their risks
        scores = cohort.assign(probability=cohort["risk"], level="yellow")
        return select(
            scores,
            day=day,
            capacity=capacity,
            rules=rules,
            seed=f"{plan.seed}|{plan.name}|{day}",
            earlier=Earlier(self.last_list, self.episodes, tuple(found for found, _ in self.findings), events),
        )

    def _visits(self, day: date) -> tuple[Findings, Answers]:
        life = self.life
        assert life.earlier is not None
        assert life.later is not None
        rng = np.random.default_rng([life.plan.seed, FIELD_STREAM, day.toordinal()])
        weekdays = rng.integers(1, life.practice.visits.weekdays + 1, len(life))
        left = (period_end("month", life.index) - day).days
        found = visit(life.earlier, life.later, weekdays, weekdays > left, life.practice, rng)
        return found, answer(len(life), life.practice, rng)

    def _record(self, day: date, made: Selection, found: tuple[Findings, Answers], cohort: pd.DataFrame) -> None:
        assert self.life.earlier is not None
        rows = np.array([self.row_of[entry.household_id] for entry in made.entries], dtype=np.int64)
        audit = np.array([entry.kind == "audit" for entry in made.entries], dtype=bool)
        pool = np.array([self.row_of[name] for name in sorted(made.pool)], dtype=np.int64)
        confirmed, sight = found[0].confirmed, self.life.earlier
        self.diary.weeks.append(
            Week(
                day=day,
                rows=rows,
                audit=audit,
                probability=np.array([entry.selection_probability for entry in made.entries]),
                told=found[0].told[rows],
                pool=len(pool),
                true_caught=int(confirmed[rows[~audit]].sum()),
                true_total=int(confirmed[pool].sum()),
                true_unaided=int((sight.hardship & ~sight.assisted)[pool].sum()),
                mean_risk=float(cohort["risk"].mean()),
            )
        )
        self.diary.visits += len(rows)

    def _follow_up(self, day: date, entries: tuple[Entry, ...], found: tuple[Findings, Answers]) -> None:
        """Write down each visit, and refer those who need it."""
        findings, answers = found
        for entry in entries:
            row = self.row_of[entry.household_id]
            visited = day + timedelta(days=int(findings.weekday[row]))
            told = str(findings.told[row])
            self.findings.append((Finding(entry.household_id, visited, told), row))
            self.written.append(self._form(day, visited, row, told, findings, entry))
            if told in HELPED:
                self.diary.calls.append(Call(row, visited, told, self._refer(visited, row, told, answers)))

    def _refer(self, visited: date, row: int, told: str, answers: Answers) -> date | None:
        """Promise help; returns the day of the first."""
        promised: list[tuple[date, int, Kind]] = []
        if told == "V1" and answers.urgent[row]:
            promised.append((visited + timedelta(days=int(answers.urgent_days[row])), row, "grant"))
        if answers.days[row] != NEVER:
            kind: Kind = "assistance" if told == "V1" else "grant"
            promised.append((visited + timedelta(days=int(answers.days[row])), row, kind))
        self.promised += promised
        return min((entry[0] for entry in promised), default=None)

    def _form(
        self, day: date, visited: date, row: int, told: str, findings: Findings, entry: Entry
    ) -> dict[str, object]:
        """A line of the visits' feed."""
        month = int(findings.onset_month[row])
        onset = min(period_end("month", month), visited) if month >= 0 else visited
        return {
            "走访编号": f"QD{self.life.plan.number:03d}{day:%y%m%d}{row:05d}",
            "户号": self.life.codes[row],
            "走访日期": visited,
            "核实结论": told,
            "困难发生日": onset if told == "V1" else None,
            "走访评分": None if told in UNTOLD else int(findings.score[row]),
            "数据矛盾": "是" if told == "V4" else "否",
            "抽中概率": max(round(entry.selection_probability, 6), 1e-6),
        }


VISITS = pa.schema(
    [
        ("走访编号", pa.string()),
        ("户号", pa.string()),
        ("走访日期", pa.date32()),
        ("核实结论", pa.string()),
        ("困难发生日", pa.date32()),
        ("走访评分", pa.int64()),
        ("数据矛盾", pa.string()),
        ("抽中概率", pa.float64()),
        ("录入日期", pa.date32()),
    ]
)
