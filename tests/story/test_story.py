"""The filled demo on a small home: every state is there, lists of four weeks, one login for each role that works."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from features.engines.duckdb import engine
from features.settings import Home, Settings
from features.store import Store
from models.registry import Registry
from serving.access.roles import ROLES
from serving.casework.case import STATES, Case
from serving.casework.desk import Desk, open_desk
from serving.casework.tables import AccountRow, CaseRow, RequestRow, ResourceRow, WorkerRow
from serving.commands import filling
from serving.console import Console
from serving.runs import runs_of
from serving.web import accounts
from tests.served import copied
from tests.weekly import DAY, World

SEED = 7


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Desk, Any]:
    made = copied(tmp_path_factory, tmp_path_factory.mktemp("story") / "own")
    world = opened_at(made.world, made.world.settings.home, "runs")
    console = Console(world.settings, None, as_json=True, quiet=True, verbose=False, colour=False, agreed=True)
    assert filling.empty(console, world.project)
    story = fill(world)
    assert not filling.empty(console, world.project)
    return world, open_desk(world.project, world.settings), story


def opened_at(world: World, home: Path, without: str) -> World:
    """The world in a copy of its home, without its runs or its cases."""
    shutil.rmtree(home / world.project.name / without)
    settings = Settings(home=home)
    return World(world.project, settings, Store(Home(home), world.project), Registry(settings, Home(home)), world.task)


def fill(world: World) -> Any:
    console = Console(world.settings, None, as_json=True, quiet=True, verbose=False, colour=False, agreed=True)
    with engine(world.settings) as opened:
        return filling.fill(
            console, world.project, world.task, world.store, world.registry, opened, DAY, SEED, allow_stale=True
        )


def cases(desk: Desk) -> list[Case]:
    with desk.database.reading() as session:
        return [Case.model_validate(body) for body in session.scalars(select(CaseRow.body))]


def test_every_state_is_there_and_no_act_was_refused(filled: tuple[World, Desk, Any]) -> None:
    _, desk, (_, _, story) = filled
    assert story.stopped == {}
    found = cases(desk)
    assert {case.state for case in found} == set(STATES)
    assert any(case.draft for case in found)
    assert any(case.returned for case in found)
    assert any(case.round > 1 for case in found)
    assert any(case.small_sums for case in found)
    assert any(one.department == "county_mechanism" for case in found for one in case.referrals)
    codes = {answer.code for case in found for one in case.referrals for answer in one.answers}
    assert codes >= {"F0", "F1", "F2", "F3", "F8"}
    assert any("overdue" in entry for case in found for entry in case.said)
    assert desk.keeper.verify(desk.database).ok


def test_there_are_lists_of_four_weeks_and_the_newest_is_everybodys(filled: tuple[World, Desk, Any]) -> None:
    world, desk, (newest, _, story) = filled
    runs = runs_of(Home(world.settings.home).project(world.project.name), world.task)
    assert [run.as_of for run in runs if run.published] == list(filling.list_days(DAY))
    assert newest.run_id == runs[-1].run_id
    assert runs[-1].receipt["area"] is None
    known = [one for one in story.findings() if one.found_on <= DAY]  # on the last morning some are visited as listed
    visited = {one.household_id for one in known if one.validity in ("V1", "V3")}
    assert visited
    assert not visited & {entry.household_id for entry in runs[-1].entries()}
    with desk.database.reading() as session:
        assert session.scalar(select(RequestRow.request_id).where(RequestRow.kind == "objection"))
        assert session.query(ResourceRow).count() >= 6
        assert session.scalar(select(WorkerRow.account).where(WorkerRow.away_from.is_not(None)))


def test_each_role_has_a_login_that_works(filled: tuple[World, Desk, Any]) -> None:
    _, desk, (_, logins, _) = filled
    assert {one.role for one in logins} == set(ROLES)
    for one in {login.role: login for login in logins}.values():
        signed = accounts.sign_in(desk, one.account, one.password)
        assert isinstance(signed, accounts.Account)
        assert (signed.role, signed.area) == (one.role, one.area)
    with desk.database.reading() as session:
        assert session.query(AccountRow).count() == len(logins)


def test_the_same_seed_tells_the_same_story(filled: tuple[World, Desk, Any], tmp_path: Path) -> None:
    world, desk, _ = filled
    shutil.copytree(world.settings.home, tmp_path / "home")
    second = opened_at(world, tmp_path / "home", "casework")
    fill(second)
    again = {case.case_id: case for case in cases(open_desk(world.project, second.settings))}
    told = {case.case_id: case for case in cases(desk)}
    assert again == told
    assert Counter(case.state for case in told.values())["closed"] > 0
