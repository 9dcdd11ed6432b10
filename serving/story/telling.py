"""The story told: lists arrive on Mondays, and everything that people then do happens in the order of its moments."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from features.errors import ZhoujiError
from serving.casework.alerts import open_week
from serving.casework.case import MECHANISM, Case
from serving.casework.deadlines import is_working_day
from serving.casework.desk import Desk
from serving.casework.reminding import remind
from serving.casework.tables import CaseRow, FindingRow, SignalRow
from serving.listing import Finding
from serving.runs import RunFolder
from serving.story import people
from serving.story.acts import Told, act
from serving.story.courses import COURSES, Step, deal

ARRIVES, REMINDS, ENDS = time(8, 30), time(8, 0), time(12)
MORNING_HOUR, DAY_MINUTES = 9, 8 * 60


class Story:
    """Four weeks of a pilot area.

    Attributes:
        stopped: acts that could not be done as planned, by code; there should be none.
        done: acts by name.
    """

    def __init__(self, desk: Desk, own: str, counties: tuple[str, ...], days: tuple[date, ...], seed: int) -> None:
        self.desk, self.own, self.counties, self.days, self.seed = desk, own, counties, days, seed
        self.luck = random.Random(f"story|{seed}")  # noqa: S311 -- a story, not a secret
        self.done: Counter[str] = Counter()
        self.stopped: Counter[str] = Counter()
        self.at = self._moment(days[0] + timedelta(days=1), REMINDS)
        desk.now = lambda: self.at
        self._waiting: list[tuple[datetime, int, str, Step]] = []
        self._numbers = itertools.count()
        self._told: dict[str, Told] = {}
        self._reminded = days[0] + timedelta(days=1)

    def _moment(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.desk.zone)

    def set_up(self) -> None:
        """Enter who works here, and what is at hand."""
        people.set_up(self.desk, self.own, self.counties, self.days[0], self.days[-1])

    def arrives(self, run: RunFolder) -> None:
        """A list arrives on the Monday after its day; its cases in the pilot get their courses."""
        self.until(self._moment(run.as_of + timedelta(days=1), ARRIVES))
        open_week(self.desk, run)
        weeks_old = len(self.days) - 1 - self.days.index(run.as_of)
        with self.desk.database.reading() as session:
            query = select(CaseRow.body, SignalRow.body).join(SignalRow, SignalRow.case_id == CaseRow.case_id)
            query = query.where(CaseRow.week == run.as_of, SignalRow.run_id == run.run_id, CaseRow.state == "alert")
            found = [(Case.model_validate(body), row) for body, row in session.execute(query)]
        here = [(case, row, county) for case, row in found if (county := self._county(case))]
        here.sort(key=lambda one: (one[2] != self.own, one[2], one[0].household_id))
        for place, (case, row, county) in enumerate(here):
            course = COURSES[deal(place, weeks_old, row, self.luck)]
            known = county == self.own
            workers = people.visitors(county, known=known)[:2]
            told = Told(case, county, workers[1 if place % 4 == 3 else 0], known, row)
            self._told[case.case_id] = told
            self._plan(case.case_id, course)

    def _county(self, case: Case) -> str:
        places = {area.code for area in self.desk.tree.chain(case.area_code)}
        return next((county for county in self.counties if county in places), "")

    def _plan(self, case_id: str, course: tuple[Step, ...]) -> None:
        at = self.at + timedelta(minutes=self.luck.randint(20, 60))
        for step in course:
            at = self._later(at, step.days)
            heapq.heappush(self._waiting, (at, next(self._numbers), case_id, step))

    def _later(self, at: datetime, days: int) -> datetime:
        if days == 0:
            return at + timedelta(minutes=self.luck.randint(15, 45))
        day = self.desk.rules.day(at)
        announced = self.desk.rules.deadlines.announced
        while days:
            day += timedelta(days=1)
            days -= is_working_day(day, announced)
        return self._moment(day, time(MORNING_HOUR)) + timedelta(minutes=self.luck.randint(0, DAY_MINUTES))

    def until(self, end: datetime) -> None:
        """Everything that happens up to a moment, the clock's morning rounds with it."""
        while True:
            morning = self._moment(self._reminded, REMINDS)
            first = self._waiting[0][0] if self._waiting else end + timedelta(days=1)
            if min(morning, first) > end:
                break
            if morning <= first:
                self._advance(morning)
                remind(self.desk)
                self._reminded += timedelta(days=1)
                while not is_working_day(self._reminded, self.desk.rules.deadlines.announced):
                    self._reminded += timedelta(days=1)
                continue
            at, _, case_id, step = heapq.heappop(self._waiting)
            self._advance(at)
            self._do(case_id, step)
        self._advance(end)

    def _advance(self, at: datetime) -> None:
        self.at = max(self.at, at)

    def _do(self, case_id: str, step: Step) -> None:
        told = self._told[case_id]
        try:
            act(self.desk, told, step, self.luck)
            self.done[step.what] += 1
        except ZhoujiError as error:  # the rest of this course falls away; the story goes on
            self.stopped[f"{step.what}: {error.code}"] += 1
            self._waiting = [one for one in self._waiting if one[2] != case_id]
            heapq.heapify(self._waiting)

    def evening(self, day: date) -> datetime:
        """The moment before the list of a day is made."""
        return self._moment(day, time(20))

    def findings(self) -> tuple[Finding, ...]:
        """What visits have found so far: the next list knows it."""
        with self.desk.database.reading() as session:
            rows = list(session.scalars(select(FindingRow).order_by(FindingRow.finding_id)))
        return tuple(Finding(row.household_id, row.found_on, str(row.body["validity"])) for row in rows)

    def ends(self) -> tuple[people.Login, ...]:
        """The last morning, and who may look at it all."""
        self.until(self._moment(self.days[-1] + timedelta(days=1), ENDS))
        return people.logins(self.desk, self.own, self._town(), self._inbox(), self.seed)

    def _town(self) -> str:
        """The town of the own county with most cases; the county itself where there are no towns."""
        tree = self.desk.tree
        chains = [tree.chain(told.case.area_code) for told in self._told.values() if told.known]
        towns = Counter(area.code for chain in chains for area in chain if area.level == "town")
        return min(towns, key=lambda code: (-towns[code], code)) if towns else self.own

    def _inbox(self) -> str:
        """The department of the own county with most referrals on its desk."""
        waiting = Counter(
            one.department
            for told in self._told.values()
            if told.known
            for one in told.case.open_referrals
            if one.department != MECHANISM
        )
        return min(waiting, key=lambda name: (-waiting[name], name)) if waiting else people.DESK
