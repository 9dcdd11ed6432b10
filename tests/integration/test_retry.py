"""Rejected rows sent again: nothing else of a snapshot is lost by it, and it comes to an end."""

from __future__ import annotations

from datetime import date

import pytest

from features.engines.duckdb import engine
from features.errors import NothingToDo
from features.ingestion import ingest, open_quarantine, retry
from features.settings import Home, Settings
from features.store import Store
from tests.departments import TEXT, deliver, load_project, tiny_project


def row(household, category=""):
    return {"household": household, "area": "n", "since": "2020-01-01", "category": category, "name": "N", "phone": "1"}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", threads=1)


def households(project, settings):
    with engine(settings) as opened:
        return len(opened.frame(Store(Home(settings.home), project).as_known_on(date(2100, 1, 1), "household", opened)))


def test_a_repaired_profile_takes_them_and_retracts_nobody(tmp_path, settings):
    project = tiny_project(tmp_path)
    rows = [row("a"), row("b", "edge"), row("c", "wrong")]
    ingest(deliver(tmp_path / "1.csv", rows), project, settings, feed="register", received_on=date(2020, 2, 1))
    [again] = retry(project, settings)  # under the same profile: rejected again, and only once in the quarantine
    assert (again.quarantined, again.retracted, households(project, settings)) == (1, 0, 2)
    assert len(list(open_quarantine(project, settings).entries())) == 1
    text = TEXT.replace("[dibao, edge]", "[dibao, edge, wrong]")
    text = text.replace("vocabularies:\n", "vocabularies:\n  category: {wrong: {zh: 其他, en: other}}\n")
    (tmp_path / "project.yaml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "project.yaml")
    [repaired] = retry(project, settings)
    assert (repaired.accepted, repaired.retracted, households(project, settings)) == (1, 0, 3)
    with pytest.raises(NothingToDo):
        retry(project, settings)
    assert not list((settings.home / "tmp").iterdir())


def test_a_snapshot_with_an_unreadable_key_retracts_nobody_and_says_so(tmp_path, settings):
    project = tiny_project(tmp_path)
    first = deliver(tmp_path / "1.csv", [row("a"), row("b"), row("c")])
    ingest(first, project, settings, feed="register", received_on=date(2020, 2, 1))
    second = deliver(tmp_path / "2.csv", [row("a"), row("")])
    receipt = ingest(second, project, settings, feed="register", received_on=date(2020, 3, 1))
    assert (receipt.quarantined, receipt.retracted, households(project, settings)) == (1, 0, 3)
    assert any("retracted" in text for text in receipt.warnings)
    third = deliver(tmp_path / "3.csv", [row("a"), row("b")])
    receipt = ingest(third, project, settings, feed="register", received_on=date(2020, 4, 1))
    assert (receipt.retracted, households(project, settings)) == (1, 2)
