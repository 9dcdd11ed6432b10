"""The commands over a real home: schema, cases from a list, the daily round with findings to the store, the log."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import mlflow
import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from features.engines.duckdb import engine
from serving.casework import actions as a
from serving.casework.actor import Actor
from serving.casework.chain import chain
from serving.casework.desk import Desk, open_desk
from serving.casework.pages import routing_page
from serving.casework.routing import read_routing
from serving.casework.tables import AuditRow, CaseRow, FindingRow, SealedRow
from serving.cli import app
from serving.earlier import findings
from serving.recorded import milestones
from serving.runs import newest_on
from serving.web import accounts
from tests.casework.made import form
from tests.served import DAY, Made, copied


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return copied(tmp_path_factory, tmp_path_factory.mktemp("casework") / "own")


def call(made: Made, *arguments: str, code: int = 0) -> dict[str, Any]:
    project = made.folder / "project" / "project.yaml"
    home = ["--project", str(project), "--home", str(made.world.settings.home), "--json"]
    ended = CliRunner().invoke(app, [*arguments, *home])
    assert ended.exit_code == code, ended.output
    return json.loads(ended.stdout)


def the_desk(made: Made) -> Desk:
    return open_desk(made.world.project, made.world.settings)


def test_one_week_from_list_to_store_and_registry(made: Made, tmp_path: Path) -> None:
    assert call(made, "migrate", "status")["steps"][0]["revision"] == "0001"
    assert call(made, "cases", "remind", code=5)["error"]["code"] == "case_database_schema"
    assert call(made, "migrate", "up", "--dry-run")["dry_run"]
    call(made, "migrate", "up")
    assert call(made, "migrate", "up", code=6)["error"]["code"] == "case_schema_there"
    assert call(made, "migrate", "down", code=2)["error"]["code"] == "migrate_down_unasked"

    assert (
        call(made, "cases", "open", "--as-of", str(DAY + timedelta(weeks=1)), code=2)["error"]["code"]
        == "cases_without_list"
    )
    planned = call(made, "cases", "open", "--as-of", str(DAY), "--dry-run")
    opened = call(made, "cases", "open", "--as-of", str(DAY))
    assert opened["opened"] == planned["opened"] == opened["listed"] > 0
    call(made, "cases", "open", "--as-of", str(DAY), code=6)

    desk = the_desk(made)
    run = newest_on(made.world.store.home.project(made.world.project.name), made.world.task, DAY)
    with desk.database.reading() as session:
        rows = list(session.scalars(select(CaseRow).order_by(CaseRow.case_id).limit(4)))
        kinds = {row.household_id: row.kind for row in session.scalars(select(SealedRow))}
    assert {entry.household_id: entry.kind for entry in run.entries()} == kinds
    told_as = ("V1", "V3", "V7", "V1")
    assert len(rows) == len(told_as)
    for row, validity in zip(rows, told_as, strict=True):
        visitor = Actor(account="v", role="village", area=row.area_code)
        town = Actor(account="t", role="town", area=row.area_code)
        desk.act(a.Assign(by=town, to=visitor), row.case_id, 0)
        today = desk.rules.day(desk.now())
        desk.act(a.Classify(by=visitor, form=form(validity, visited_on=today)), row.case_id, 1)

    call(made, "cases", "remind", "--dry-run")
    told = call(made, "cases", "remind")
    assert told["outcomes"]["findings"] == len(rows) and told["outcomes"]["waiting"] == 0
    # counted for the run that opened each household's episode, as the registry then has it
    client = mlflow.MlflowClient(made.world.registry.uri)
    weeks = client.get_experiment_by_name(f"{made.world.project.name}-{made.world.task}-weeks")
    logged = [found.data.metrics for found in client.search_runs([weeks.experiment_id])]
    for kind, count in (("confirmed", told_as.count("V1")), ("not_confirmed", 1), ("unknown", told_as.count("V7"))):
        assert sum(counts.get(kind, 0) for counts in told["outcomes"]["counts"].values()) == count
        assert sum(metrics.get(kind, 0) for metrics in logged) == count
    assert call(made, "cases", "remind")["outcomes"] is None
    with engine(made.world.settings) as opened_engine:
        known = findings(made.world.store, today, opened_engine, {row.household_id for row in rows})
        assert sorted(one.validity for one in known if one.found_on == today) == sorted(told_as)
        town = Actor(account="t", role="town", area=rows[0].area_code)
        told = milestones(made.world.store, opened_engine, today, [rows[0].household_id])
        links = chain(desk, town, rows[0].household_id, told[rows[0].household_id])
    assert {"case", "list"} <= {link.source for link in links}
    with desk.database.reading() as session:
        assert session.query(FindingRow).filter(FindingRow.delivered_at.is_(None)).count() == 0

    reported(made, tmp_path / "reports", row.area_code)
    assert call(made, "cases", "recount", code=6)["error"]["code"] == "cases_counted"
    with desk.database.engine.begin() as connection:
        connection.execute(text("UPDATE casework_count SET cases = cases + 1"))
    found = call(made, "cases", "recount", "--dry-run")["wrong"]
    assert found == call(made, "cases", "recount")["wrong"] > 0
    call(made, "cases", "recount", code=6)
    assert call(made, "audit", "verify", "--sign")["ok"]
    out = tmp_path / "audit.zip"
    exported = call(made, "audit", "export", "--out", str(out))
    with zipfile.ZipFile(out) as archive:
        assert set(archive.namelist()) == {"audit.jsonl", "public-key.pem", "signed-days.json", "manifest.json"}
        assert archive.read("audit.jsonl").decode().count("\n") == exported["rows"]
    call(made, "audit", "export", "--out", str(out), "--from", "2001-01-01", "--to", "2001-01-02", code=6)
    with desk.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER casework_audit_no_update"))
        connection.execute(text("UPDATE casework_audit SET account = 'other' WHERE seq = 2"))
    assert call(made, "audit", "verify", code=4)["broken_at"] == 2


def reported(made: Made, folder: Path, area: str) -> None:
    """Bulletins by accounts that may make them, and by those that may not."""
    desk = the_desk(made)
    whole = desk.tree.chain(area)[-1].code
    for account, role, place in (("s1", "supervisor", whole), ("w1", "village", area)):
        accounts.create(desk, account, name=account, role=role, area=place, department="", password="correct horse 9")

    def exports() -> list[Any]:
        with desk.database.reading() as session:
            lines = session.scalars(select(AuditRow).where(AuditRow.subject.like("bulletin %")).order_by(AuditRow.seq))
            return [json.loads(one.detail) for one in lines]

    planned = call(made, "report", "county", "--account", "s1", "--out", str(folder), "--dry-run")
    assert not folder.exists() and exports() == []
    said = call(made, "report", "county", "--account", "s1", "--as-of", str(DAY), "--out", str(folder))
    assert (said["area"], said["week"], said["files"]) == (whole, str(DAY), planned["files"])
    files = [Path(file) for file in said["files"]]
    assert [file.suffix for file in files] == [".pdf", ".docx"]
    told = [(one["sha256"], one["file"], one["command"]) for one in exports()]
    assert told == [(sha256(one.read_bytes()).hexdigest(), one.suffix[1:], "report county") for one in files]
    refused = {
        ("w1", whole): "report_account_unfit",
        ("nobody", whole): "account_unknown",
        ("s1", "no"): "area_unknown",
    }
    for (account, place), error in refused.items():
        ask = ("report", "county", "--account", account, "--area", place)
        assert call(made, *ask, code=2)["error"]["code"] == error
    with desk.database.reading() as session:
        line = session.scalars(select(AuditRow).where(AuditRow.kind == "refused")).one()
    assert (line.account, line.subject) == ("w1", whole)
    none = ("report", "county", "--account", "s1", "--as-of", str(DAY - timedelta(weeks=3)))
    assert call(made, *none, code=2)["error"]["code"] == "bulletin_no_list"


def test_the_page_of_the_routing_table_is_the_table(root: Path) -> None:
    assert (root / "docs" / "routing.md").read_text("utf-8") == routing_page(read_routing())
