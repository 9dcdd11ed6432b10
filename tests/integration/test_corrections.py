"""Corrections of rows whose day comes from a rule: what was answered for a day stays the answer."""

from __future__ import annotations

from datetime import date

import pytest

from features.engines.duckdb import engine
from features.errors import DataError
from features.identity import open_pseudonymiser
from features.ingestion import ingest
from features.project import Project
from features.settings import Home, Settings
from features.store import Store
from tests.departments import deliver, tiny_project

FIRST, SECOND, THIRD, FOURTH = (date(2020, month, 1) for month in (3, 5, 6, 8))  # January is known on 20 February


class Desk:
    """One home and its one feed."""

    def __init__(self, folder, *, scope=None):
        self.folder, self.files = folder, 0
        project = tiny_project(folder)
        if scope is not None:
            content = project.model_dump(by_alias=True)
            content["feeds"]["answers"]["profile"]["snapshot"] = {"scope": scope}
            project = Project.model_validate(content)
        self.project = project
        self.settings = Settings(home=folder / "home", threads=1, pseudonym_key="cd" * 32)
        self.store = Store(Home(self.settings.home), project)
        self.secret = open_pseudonymiser(self.settings, Home(self.settings.home))

    def take(self, day, *, month="2020-01", **answers):
        self.files += 1
        rows = [{"household": who, "month": month, "aid": aid, "debt": 2} for who, aid in answers.items()]
        path = deliver(self.folder / f"{self.files}.csv", rows)
        receipt = ingest(path, self.project, self.settings, feed="answers", received_on=day)
        return receipt.accepted, receipt.already_known, receipt.corrections

    def on(self, day):
        names = {self.secret.one("household", who.upper()): who for who in ("a", "b", "c")}
        with engine(self.settings) as opened:
            frame = opened.frame(self.store.as_known_on(day, "reading", opened))
        aid = frame[frame.detail == "cash_aid"]
        assert len(frame) == 2 * len(aid)
        return {names[home]: int(value) for home, value in zip(aid.household_id, aid.value, strict=True)}


def test_a_correction_never_changes_an_answer_that_was_given(tmp_path):
    desk = Desk(tmp_path)
    assert desk.take(FIRST, a=1, b=1) == (2, 0, 0)
    assert desk.on(date(2020, 2, 19)) == {}
    before = {day: desk.on(day) for day in (date(2020, 2, 20), FIRST, date(2020, 4, 30))}
    assert set(map(str, before.values())) == {"{'a': 1, 'b': 1}"}
    assert desk.take(SECOND, a=2, b=1, c=1) == (2, 1, 1)
    assert {day: {who: v for who, v in desk.on(day).items() if who != "c"} for day in before} == before
    assert desk.on(FIRST)["c"] == 1  # new, so that the rule's day holds: the store's `version` answers without it
    assert desk.on(SECOND) == {"a": 2, "b": 1, "c": 1}


def test_the_corrected_file_again_is_known_and_the_first_one_is_a_correction_back(tmp_path):
    desk = Desk(tmp_path)
    desk.take(FIRST, a=1, b=1)
    desk.take(SECOND, a=2, b=1)
    assert desk.take(THIRD, b=1, a=2) == (0, 2, 0)
    assert desk.take(FOURTH, b=1, a=1) == (1, 1, 1)
    assert [desk.on(day)["a"] for day in (FIRST, SECOND, THIRD, FOURTH)] == [1, 2, 2, 1]


def test_what_a_later_snapshot_lacks_is_closed_on_its_delivery(tmp_path):
    desk = Desk(tmp_path, scope=["month"])
    desk.take(FIRST, a=1, b=1)
    assert desk.take(SECOND, a=1) == (0, 1, 1)
    assert desk.on(date(2020, 4, 30)) == {"a": 1, "b": 1}
    assert desk.on(SECOND) == {"a": 1}
    desk.take(THIRD, b=1, a=1)
    assert desk.on(date(2020, 5, 31)) == {"a": 1}
    assert desk.on(THIRD) == {"a": 1, "b": 1}


def test_an_older_snapshot_of_everything_is_still_refused(tmp_path):
    desk = Desk(tmp_path, scope=[])
    desk.take(FIRST, month="2020-01", a=1)
    desk.take(SECOND, month="2020-02", a=1, b=1)
    with pytest.raises(DataError) as caught:
        desk.take(THIRD, month="2020-01", a=2)
    assert caught.value.code == "delivery_out_of_order"
    assert desk.on(FOURTH) == {"a": 1, "b": 1}


def test_records_bear_the_day_that_the_store_gives_them(tmp_path):
    desk = Desk(tmp_path)
    desk.take(FIRST, a=1)
    desk.take(SECOND, a=2)
    with engine(desk.settings) as opened:
        frame = opened.frame(desk.store.as_known_on([FIRST, SECOND], "reading", opened))
    aid = frame[frame.detail == "cash_aid"].sort_values("value")
    assert [str(day)[:10] for day in aid.knowledge_date] == ["2020-02-20", "2020-05-01"]
    assert [str(day)[:10] for day in aid.known_to] == ["2020-05-01", "9999-12-31"]
    assert list(aid.known_from) == list(aid.knowledge_date)
