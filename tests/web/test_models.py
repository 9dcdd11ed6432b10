"""Model cards, data quality and one score taken apart, over a home with real runs and a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from features.settings import Settings
from serving.api.surroundings import Surroundings
from serving.cards import Cards
from serving.casework.tables import AuditRow
from serving.cli import app
from serving.web import accounts
from serving.web.office import Office, open_office
from tests.served import COUNTY, DAY, PROVINCE, Made, copied
from tests.web.offices import PASSWORD, browser, signed_in

PEOPLE = {
    "a1": ("analyst", PROVINCE), "a2": ("analyst", COUNTY), "s1": ("supervisor", PROVINCE), "x1": ("admin", PROVINCE),
    "c1": ("county", COUNTY),
}  # fmt: skip
GONE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A copy of the home that other tests ask over HTTP."""
    return copied(tmp_path_factory, tmp_path_factory.mktemp("models") / "own")


@pytest.fixture(scope="module")
def real(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    opened = Surroundings(made.world.settings, made.world.project)
    opened.current.start()
    office = open_office(opened)
    office.desk.database.migrate()
    for account, (role, area) in PEOPLE.items():
        accounts.create(office.desk, account, name=account, role=role, area=area, department="", password=PASSWORD)
    yield office
    opened.close()


def main_of(answer: Any) -> str:
    return answer.text.split("<main")[1].split("</main>")[0]


def test_the_data_of_a_list_are_kept_and_checked_by_area(real: Office, made: Made) -> None:
    who = signed_in(real, "s1")
    assert "zhouji drift" in main_of(who.get("/quality"))
    project = made.folder / "project" / "project.yaml"
    home = ["--project", str(project), "--home", str(made.world.settings.home), "--json"]
    ended = CliRunner().invoke(app, ["drift", "--as-of", str(DAY), *home])
    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert said["run_id"] == made.runs[-1].run_id and said["indicators"]
    page = main_of(who.get("/quality"))
    assert "zhouji drift" not in page and "PSI" in page
    assert signed_in(real, "c1").get("/quality").status_code == 200
    assert signed_in(real, "x1").get("/quality").status_code == 403
    failed = CliRunner().invoke(app, ["drift", "--as-of", str(DAY), "--fail-on", "0", *home])
    assert failed.exit_code in (0, 4)  # without a training sample there is no index


def test_cards_are_shown_and_outlive_their_registry(real: Office) -> None:
    for account in ("a1", "s1", "x1"):
        who = signed_in(real, account)
        assert "第 1 版" in main_of(who.get("/models"))
        card = main_of(who.get("/models/1"))
        assert "来历" in card and "暂时连不上" not in card and "依据的构成" in card
        assert who.get("/models/2").status_code == 404
    assert signed_in(real, "c1").get("/models").status_code == 403
    lost = Cards(real.project.name, real.project.task()[0], Settings(home=real.settings.home, mlflow_uri=GONE))
    kept = real.cards
    object.__setattr__(real, "cards", lost)
    try:
        assert not lost.versions().reachable
        page = main_of(signed_in(real, "a1").get("/models/1"))
        assert "暂时连不上" in page and "来历" in page
    finally:
        object.__setattr__(real, "cards", kept)


def test_nothing_is_said_where_nothing_was_kept(real: Office, tmp_path: Path) -> None:
    empty = Cards("p", "t", Settings(home=tmp_path))
    assert empty.versions().content == [] and empty.versions().reachable
    assert not (tmp_path / "mlflow").exists()  # a page makes no registry
    lost = Cards("p", "t", Settings(home=tmp_path / "other", mlflow_uri=GONE))
    assert lost.versions().content == [] and not lost.versions().reachable
    assert lost.card("1") is None


def test_a_score_is_taken_apart_for_the_provinces_analyst_only(real: Office, made: Made) -> None:
    row = real.weeks.newest_first()[0].rows[0]
    path = f"/models/1/cases/{row['household_id']}"
    found = real.take_apart("1", row["household_id"])
    assert found is not None
    assert found.base + sum(part.contribution for part in found.parts) == pytest.approx(found.margin)
    assert found.probability == pytest.approx(row["probability"], abs=1e-9)
    page = main_of(signed_in(real, "a1").get(path))
    assert "对数几率" in page and f"{found.margin:+.2f}" in page
    with real.desk.database.reading() as session:
        line = session.query(AuditRow).filter(AuditRow.subject == row["household_id"], AuditRow.account == "a1").one()
    assert line.kind == "view" and json.loads(line.detail)["page"] == "model"
    for account in ("a2", "s1", "x1", "c1"):
        assert signed_in(real, account).get(path).status_code == 403, account
    for wrong in (f"/models/9/cases/{row['household_id']}", f"/models/1/cases/{'0' * 24}", "/models/1/cases/x"):
        assert signed_in(real, "a1").get(wrong).status_code == 404, wrong


def test_about_is_open_and_tells_no_model_to_strangers(real: Office) -> None:
    stranger = main_of(browser(real).get("/about"))
    assert "关于本系统" in stranger and "模型第" not in stranger
    assert "模型第 1 版" in main_of(signed_in(real, "s1").get("/about"))
    assert signed_in(real, "a1").get("/").headers["location"] == "/models"
