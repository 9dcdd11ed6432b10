"""The weekly run on the sample: from the store to the list, and from the filled list back into the store."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook

from features.engines.duckdb import engine
from features.errors import DataError, NothingToDo, UsageError
from features.panel import build
from features.settings import Home
from features.staging import STAGING_PREFIX
from features.store import Store
from models.registry import Registry, model_name
from reports import household
from serving.evidence import history, history_days
from serving.recorded import milestones
from serving.results import import_list, record_results
from serving.runs import Options, RunFolder, last_before, runs_of
from serving.scoring import explain_household, run
from serving.weeks import Week
from tests.weekly import DAY, World, make_world

pytestmark = pytest.mark.filterwarnings("ignore")
BEFORE = DAY - timedelta(weeks=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("weekly"))


@pytest.fixture(scope="module")
def opened(world):
    with engine(world.settings) as found:
        yield found


def score(world: World, opened, day: date = DAY, **options):
    return run(
        world.project, world.task, world.store, world.registry,
        as_of=day, settings=world.settings, engine=opened, allow_stale=True, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(world, opened):
    return score(world, opened, BEFORE), score(world, opened)


@pytest.fixture
def own(world, runs, tmp_path) -> World:
    """A copy of the home, for a test that delivers into the store."""
    shutil.copytree(world.settings.home, tmp_path / "home")
    settings = replace(world.settings, home=tmp_path / "home")
    home = Home(settings.home)
    return replace(world, settings=settings, store=Store(home, world.project), registry=Registry(settings, home))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_run_accounts_for_everybody(runs):
    for made in runs:
        assert made.listed == sum(area["listed"] for area in made.areas)
        assert all(area["listed"] <= area["capacity"] for area in made.areas)
        assert sum(made.levels.values()) == made.cohort == len(RunFolder(made.folder).scores())
        assert made.audit >= 1
        files = json.loads((made.folder / "run.json").read_text())["files"]
        assert files == {name: digest for name, digest in digests(made.folder).items() if name in files}
    assert runs[1].overlap > 0
    assert runs[1].new == runs[1].listed - runs[1].overlap


def test_the_same_run_is_found_again_and_made_again_with_the_same_bytes(world, opened, runs):
    made = runs[1]
    again = score(world, opened)
    assert (again.existed, again.run_id, again.mlflow_run) == (True, made.run_id, made.mlflow_run)
    before = digests(made.folder)
    shutil.rmtree(made.folder)
    anew = score(world, opened)
    assert not anew.existed
    assert digests(anew.folder) == before
    assert anew.mlflow_run == made.mlflow_run
    assert score(world, opened, options=Options(seed=8), dry_run=True).run_id != made.run_id


def test_a_killed_run_is_made_good(world, opened, runs):
    made = runs[1]
    (made.folder / "PUBLISHED").unlink()
    left = made.folder.parent / f"{STAGING_PREFIX}left"
    left.mkdir()
    again = score(world, opened)
    assert again.published
    assert again.mlflow_run == made.mlflow_run
    assert not left.exists()


def test_nothing_but_the_sealed_file_tells_audit_rows(runs):
    made = RunFolder(runs[1].folder)
    sealed = made.sealed()
    drawn = {entry["household_id"] for entry in sealed["entries"] if entry["kind"] == "audit"}
    assert drawn
    for name in ("list.json", "list.csv", "run.json"):
        text = (made.path / name).read_text(encoding="utf-8-sig")
        for word in ("selection_probability", "stratum", '"kind"', "sealed_kind"):
            assert word not in text
    shapes = {tuple(sorted(row)) for row in made.households()}
    assert len(shapes) == 1
    assert made.path.joinpath("sealed.json").stat().st_mode & 0o077 == 0
    sheet = load_workbook(made.path / "list.xlsx").worksheets[0]
    blind = load_workbook(made.path / "visits.xlsx").worksheets[0]
    keys = [str(cell.value) for cell in blind[3]]
    place = {str(row[keys.index("household")].value): row for row in blind.iter_rows(min_row=5)}
    due = {household: row[keys.index("visit_by")].value for household, row in place.items()}
    assert {due[household] for household in drawn} <= {day for household, day in due.items() if household not in drawn}
    words = {str(sheet.cell(row, 5).value) for row in range(5, sheet.max_row + 1)}
    assert words <= {"■■■ 高", "■■□ 较高", "■□□ 关注"}


def test_a_dry_run_writes_no_run(world, opened, runs):
    before = [found.path for found in runs_of(world.store.home.project(world.project.name), world.task)]
    told = score(world, opened, options=Options(capacity=2), dry_run=True)
    assert told.folder is None
    assert all(area["listed"] <= 2 for area in told.areas)
    assert [found.path for found in runs_of(world.store.home.project(world.project.name), world.task)] == before


def test_a_version_that_is_not_promoted_says_so_on_every_product(own, opened, runs):
    with own.registry._asking() as client:
        client.delete_registered_model_alias(model_name(own.project.name, own.task), "champion")
    made = run(
        own.project,
        own.task,
        own.store,
        own.registry,
        as_of=DAY,
        settings=own.settings,
        engine=opened,
        allow_stale=True,
    )
    assert made.trial
    assert not runs[1].trial
    assert made.run_id != runs[1].run_id
    assert json.loads((made.folder / "list.json").read_text())["trial"]
    for name in ("list.xlsx", "visits.xlsx"):
        book = load_workbook(made.folder / name)
        telling = [
            sheet.title
            for sheet in book.worksheets
            if any("尚未通过门槛" in str(cell.value) for row in sheet.iter_rows() for cell in row)
        ]
        assert len(telling) == 2, (name, telling)  # the list and the notes


def test_one_area_only(world, opened, runs):
    told = score(world, opened, options=Options(area="441802"), dry_run=True)
    assert {area["area"][:6] for area in told.areas} == {"441802"}
    assert told.cohort < runs[1].cohort
    with pytest.raises(UsageError):
        score(world, opened, options=Options(area="nowhere"), dry_run=True)


def test_a_draft_is_not_followed(world, opened, runs):
    draft = score(world, opened, options=Options(seed=99), publish=False)
    assert not draft.published
    assert draft.mlflow_run is None
    found = last_before(world.store.home.project(world.project.name), world.task, DAY + timedelta(weeks=1))
    assert found is not None
    assert found.run_id == runs[1].run_id
    shutil.rmtree(draft.folder)


def test_a_household_is_explained_as_on_the_list(world, opened, runs):
    row = max(RunFolder(runs[1].folder).households(), key=lambda row: row["probability"] or 0)
    told = explain_household(
        world.project, world.task, world.store, world.registry, row["household_id"], as_of=DAY, engine=opened
    )
    plain = household.to_plain(told)
    assert plain["reasons"] == row["reasons"]
    assert (plain["probability"], plain["run_id"]) == (row["probability"], runs[1].run_id)
    assert plain["range"][0] <= plain["probability"] <= plain["range"][1]
    assert any(reason["record"] for reason in plain["reasons"] + plain["relief"])
    for language in ("zh", "en"):
        page = household.to_html(told, language)
        assert "<script" not in page
        assert row["household_id"] in page
    with pytest.raises(UsageError):
        explain_household(world.project, world.task, world.store, world.registry, "0" * 24, as_of=DAY, engine=opened)


def test_a_run_tells_pages_of_every_listed_household_and_of_nobody_else(world, opened, runs):
    week = Week(RunFolder(runs[1].folder), {})
    for row in week.rows:
        told = week.explained(row["household_id"])
        assert (told["reasons"], told["per_100"], told["relief"]) == (row["reasons"], row["per_100"], row["relief"])
        assert all(one["per_100"] < told["per_100"] for one in told["lowering"])
        assert [one["day"] for one in told["records"]] == sorted(one["day"] for one in told["records"])
    assert week.explained("0" * 24) is None and week.explained("f" * 24) is None
    # departments' records are those that the chain reads from the store, and of no other household
    known = milestones(world.store, opened, DAY, [row["household_id"] for row in week.rows])
    some = max(known, key=lambda household_id: len(known[household_id]))
    assert week.explained(some)["records"] == [one.plain() for one in known[some]] != []


def test_usual_values_of_many_are_those_of_each(world, opened, runs):
    row = RunFolder(runs[1].folder).households()[0]
    with_past = build(world.project, world.store, [*history_days(world.project, DAY), DAY], engine=opened)
    ids = [row["household_id"], "0" * 24]
    past = history(with_past, ids, DAY)
    names = with_past.indicators[:12]
    many = past.usuals(ids, names)
    for name in names:
        alone = past.usual(ids[0], name)
        assert (
            (name in many and many[name][0] == pytest.approx(alone))
            if alone is not None
            else (name not in many or np.isnan(many[name][0]))
        )
        assert name not in many or np.isnan(many[name][1])


def fill(source: Path, target: Path, answers: dict[int, dict[str, object]]) -> list[str]:
    book = load_workbook(source)
    sheet = book.worksheets[0]
    keys = [str(cell.value) for cell in sheet[3]]
    keys[0] = "row_code"
    for row, cells in answers.items():
        for key, value in cells.items():
            sheet.cell(4 + row, keys.index(key) + 1).value = value
    book.save(target)
    return [str(sheet.cell(4 + row, keys.index("household") + 1).value) for row in answers]


def test_a_filled_list_comes_back(own, opened, runs, tmp_path):
    visited = DAY + timedelta(days=2)
    good = {"finding_date": visited, "method": "入户", "validity": "V1 确有困难", "department": "民政部门"}
    answers = {
        1: {**good, "onset_date": date(2026, 11, 1)},
        2: {"finding_date": "2026-11-10", "method": "电话", "validity": "V3 情况属实，但不困难"},
        3: {**good, "validity": "大概是困难"},
        4: {"method": "入户", "validity": "V9"},
        5: {**good, "department": None},
        6: {**good, "row_code": "0" * 24},
        7: {**good, "finding_date": date(2027, 1, 1)},
    }
    file = tmp_path / "filled.xlsx"
    households = fill(runs[1].folder / "list.xlsx", file, answers)
    arguments = {"settings": own.settings, "engine": opened, "today": DAY + timedelta(days=3)}
    told = import_list(file, own.project, own.task, own.store, own.registry, **arguments, dry_run=True)
    assert told.accepted == 2
    assert told.delivery is not None
    made = import_list(
        file, own.project, own.task, own.store, own.registry, **arguments, errors=tmp_path / "errors.xlsx"
    )
    assert made.accepted == 2
    assert [(row.line, row.reason) for row in made.rejected] == [
        (7, "option"), (8, "missing"), (9, "missing"), (10, "altered"), (11, "future"),
    ]  # fmt: skip
    assert (made.delivery["accepted"], made.delivery["quarantined"]) == (2, 0)
    assert made.logged
    assert not list((own.store.home.project(own.project.name).path / "outbox").iterdir())
    sheet = load_workbook(tmp_path / "errors.xlsx").active
    assert sheet.max_row == 6
    assert "不是下拉列表里的选项" in sheet.cell(2, 2).value

    counted = record_results(own.project, own.task, own.store, own.registry, engine=opened, day=DAY + timedelta(days=3))
    ours = [found for found in counted.values() if found.get("confirmed") or found.get("not_confirmed")]
    assert sum(found.get("confirmed", 0) for found in ours) >= 1

    with pytest.raises(NothingToDo):
        import_list(file, own.project, own.task, own.store, own.registry, **arguments)

    later = score(own, opened, DAY + timedelta(weeks=1))
    listed = {row["household_id"] for row in RunFolder(later.folder).households()}
    assert not set(households[:2]) & listed, "found: not listed again"
    assert later.left.get("visited", 0) + later.left.get("cool_down", 0) + later.left.get("in_hardship", 0) >= 2


def test_a_file_that_is_no_list_is_refused(world, opened, runs, tmp_path):
    arguments = {"settings": world.settings, "engine": opened, "today": DAY}

    def take(path: Path) -> None:
        import_list(path, world.project, world.task, world.store, world.registry, **arguments)

    with pytest.raises(UsageError, match="missing"):
        take(tmp_path / "nothing.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook")
    with pytest.raises(DataError, match="readable"):
        take(tmp_path / "text.xlsx")
    with pytest.raises(UsageError, match="filled"):
        take(runs[1].folder / "list.xlsx")
    fill(
        runs[1].folder / "list.xlsx",
        tmp_path / "other.xlsx",
        {-1: {"row_code": "run:ffffffffffff"}, 1: {"method": "入户"}},
    )
    with pytest.raises(DataError, match="no list of run"):
        take(tmp_path / "other.xlsx")
