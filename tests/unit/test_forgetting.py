"""A household is forgotten with its members, and nobody who lives elsewhere with it."""

from __future__ import annotations

from datetime import date

import pytest

from features.engines.duckdb import engine
from features.identity import open_vault
from features.settings import Settings
from serving import forgetting
from tests.worlds import World, WorldStore, project

TODAY = date(2020, 10, 15)


def naive(world: World, household: str) -> list[str]:
    rows = [row for row in world.records["member"] if row["known_from"] <= TODAY < row["known_to"]]
    own = {row["person_id"] for row in rows if row["household_id"] == household}
    elsewhere = {
        row["person_id"]
        for row in rows
        if row["household_id"] != household
        and row["valid_from"] <= TODAY
        and (row["valid_to"] is None or row["valid_to"] > TODAY)
    }
    return sorted(own - elsewhere)


@pytest.mark.parametrize("seed", [3, 8])
def test_members_are_those_who_are_nowhere_else(tmp_path, seed):
    world = World(seed)
    store = WorldStore(world, tmp_path / "store", 3)
    homes = sorted({row["household_id"] for row in world.records["member"]})
    with engine(Settings(home=tmp_path / "home", threads=1)) as opened:
        found = {home: forgetting.members_of(project(), store, home, TODAY, opened) for home in homes}
    assert found == {home: naive(world, home) for home in homes}
    shared = {row["person_id"] for row in world.records["member"]} - {one for own in found.values() for one in own}
    assert shared, "somebody moved"


def test_all_of_them_leave_the_vault_together(tmp_path, monkeypatch):
    settings, made = Settings(home=tmp_path / "home"), project()
    vault = open_vault(made, settings)
    vault.put([(one, "number", {"name": one}) for one in ("h", "p1", "p2", "q")])
    monkeypatch.setattr(forgetting, "members_of", lambda *_: ["p1", "p2"])
    forget = forgetting.forgetting(made, settings, TODAY)
    assert forget("h") and not forget("h")
    assert [one for one in ("h", "p1", "p2", "q") if vault.reveal(one)] == ["q"]
