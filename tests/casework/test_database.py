"""The schema goes up and down on both databases, and says where it is; logs only ever grow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from features.errors import DependencyError, NothingToDo, UsageError
from features.settings import ProjectHome, Settings
from serving.casework.database import FILE, Database, open_database
from serving.casework.tables import APPEND_ONLY, UNRANKED, AuditRow, Base, CaseRow, EventRow

NOW = datetime(2026, 11, 26, 3, 4, 5, 678, tzinfo=UTC)


def event(**changes: object) -> EventRow:
    return EventRow(**{"case_id": "c", "household_id": "h", "version": 1, "place": 0, "kind": "opened", "at": NOW,
                       "account": "a", "role": "town", "detail": {}, **changes})  # fmt: skip


def test_up_down_and_up_again(url: str) -> None:
    database = Database(url)
    assert (database.schema().current, database.schema().ready) == ("", False)
    planned = database.migrate(dry_run=True)
    assert [step.revision for step in planned.steps] == ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    assert database.schema().current == ""
    database.migrate()
    assert database.schema().ready
    with pytest.raises(NothingToDo):
        database.migrate()
    database.migrate("down")
    with database.engine.connect() as connection:
        assert [name for name in inspect(connection).get_table_names() if name.startswith(("casework", "web"))] == []
    database.migrate()
    assert database.schema().ready
    database.engine.dispose()


def test_accounts_and_their_sessions_live_through_the_third_step_and_back(url: str) -> None:
    database = Database(url)
    database.migrate("up", "0002")
    with database.engine.begin() as connection:
        columns = "account, name, role, area_code, department, password, language, large, active, created_at"
        values = "'a', 'n', 'town', '1', '', 'p', '', :no, :yes, 't'"
        connection.execute(text(f"INSERT INTO web_account ({columns}) VALUES ({values})"), {"no": False, "yes": True})
        connection.execute(text("INSERT INTO web_session VALUES ('d', 'a', 't', 't')"))
    database.migrate()
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT temporary, version FROM web_account")).one()
    assert (bool(found[0]), found[1]) == (False, 0)
    database.migrate("down", "0002")
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM web_session")).scalar() == 1
    database.engine.dispose()


def test_what_a_list_said_goes_to_the_place_of_a_case_and_back(url: str) -> None:
    database = Database(url)
    database.migrate("up", "0005")
    case = "'c', 'h', '44', '2026-03-01', 'alert', '', '', 'v1', 't', 1, 't', '{}'"
    bodies = [
        {"rank": rank, "level": level, "change": change, "reasons": [{"family": family}]}
        for rank, level, change, family in ((9, "red", "new", "x"), (4, "orange", "up", "y"))
    ]
    said = [(one["rank"], one["level"], one["change"], one["reasons"][0]["family"]) for one in bodies]
    with database.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO casework_case VALUES ({case})"))
        connection.execute(text("INSERT INTO casework_place VALUES ('44', 'c', '2026-03-01', 'alert', 't')"))
        connection.execute(text("INSERT INTO casework_place VALUES ('45', 'c', '2026-03-08', 'alert', 't')"))
        columns = "run_id, household_id, case_id, as_of, body, rank, level, change, family"
        for run, day, body, words in zip(("r0", "r1"), ("2026-02-22", "2026-03-01"), bodies, said, strict=True):
            values = dict(zip("defg", words, strict=True), r=run, b=json.dumps(body))
            connection.execute(
                text(f"INSERT INTO casework_signal ({columns}) VALUES (:r, 'h', 'c', '{day}', :b, :d, :e, :f, :g)"),
                values,
            )
    database.migrate()
    placed = "SELECT owner_account, run_id, rank, level, change, family FROM casework_place ORDER BY area_code"
    with database.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(placed))]
    assert found == [("v1", "r1", 4, "orange", "up", "y"), ("v1", "", UNRANKED, "", "", "")]
    database.migrate("down", "0005")
    with database.engine.connect() as connection:
        back = connection.execute(text("SELECT rank, level, change, family FROM casework_signal ORDER BY run_id"))
        assert [tuple(row) for row in back] == said
    database.engine.dispose()


def test_the_migration_makes_what_the_code_means(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_an_old_schema_is_named_and_not_touched(url: str) -> None:
    database = Database(url)
    with pytest.raises(DependencyError) as refused, database.writing():
        raise AssertionError("no session is given")
    assert refused.value.code == "case_database_schema"
    assert "zhouji migrate up" in refused.value.repair("zh")
    database.engine.dispose()


def test_unknown_revision_and_unreadable_url(database: Database) -> None:
    with pytest.raises(UsageError) as refused:
        database.migrate("up", "0099")
    assert refused.value.fields["known"] == "0001, 0002, 0003, 0004, 0005, 0006, 0007"
    for url in ("mysql://x/y", "nonsense"):
        with pytest.raises(UsageError, match="cannot be read"):
            Database(url)


def test_moments_keep_their_microsecond_and_zone(database: Database) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=8)))
    with database.writing() as session:
        session.add(event(at=local))
    with database.reading() as session:
        assert session.query(EventRow.at).scalar() == NOW


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_logs_refuse_changes_and_removals(database: Database, table: str) -> None:
    if table == "casework_event":
        with database.writing() as session:
            session.add(event())
    elif table == "casework_audit":
        with database.writing() as session:
            session.add(AuditRow(seq=1, at=NOW, account="a", role="town", area_code="1", kind="k", subject="s", detail="{}",
                                 previous="", digest="d"))  # fmt: skip
    else:
        with database.writing() as session:
            session.execute(
                text(
                    f"INSERT INTO {table} (day, first, last, digest, previous, signature) VALUES ('2026-01-01', 1, 1, 'd', '', 's')"
                )
            )
    column = {"casework_event": "kind", "casework_audit": "kind", "casework_signed_day": "digest"}[table]
    for statement in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="only ever come"), database.writing() as session:
            session.execute(text(statement))
    with database.reading() as session:
        assert session.execute(text(f"SELECT count(*) FROM {table} WHERE {column} <> 'x'")).scalar() == 1


def test_a_household_has_one_open_case(database: Database) -> None:
    def row(case_id: str, state: str) -> CaseRow:
        return CaseRow(case_id=case_id, household_id="h", area_code="1", week=NOW.date(), state=state, owner_role="", owner_area="",
                       owner_account="", due_at=NOW, version=1, changed_at=NOW, body={})  # fmt: skip

    with database.writing() as session:
        session.add_all([row("a", "closed"), row("b", "closed"), row("c", "alert")])
    with pytest.raises(DBAPIError), database.writing() as session:
        session.add(row("d", "visited"))


def test_a_failing_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as session:
        session.add(event())
        session.flush()
        raise RuntimeError
    with database.reading() as session:
        assert session.query(EventRow).count() == 0


def test_the_default_is_a_private_file_in_the_home(tmp_path) -> None:
    home = ProjectHome(tmp_path / "p")
    database = open_database(Settings(home=tmp_path), home)
    database.migrate()
    assert (home.casework / FILE).stat().st_mode & 0o077 == 0
    assert "password" not in repr(Settings(database="postgresql://u:password@h/d"))


def test_a_silent_server_is_a_dependency_error() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DependencyError) as refused:
        database.schema()
    assert refused.value.code == "case_database_silent"


def test_a_list_is_not_taken_past_cases_of_an_older_schema(
    tmp_path: Path,
) -> None:
    """No database: no cases, and none is made by asking; an older schema is named instead of passed over."""
    from serving.commands import casework
    from serving.console import Console

    settings = Settings(home=tmp_path)
    console = Console(settings, None, as_json=True, quiet=True, verbose=False, colour=False, agreed=False)
    console.__dict__["project"] = type("P", (), {"name": "p"})
    assert not casework.has_cases(console, tmp_path / "list.xlsx")
    assert not list(tmp_path.rglob(FILE))
    home = console.home.project("p")
    open_database(settings, home).migrate("up", "0006")
    with pytest.raises(DependencyError) as refused:
        casework.has_cases(console, tmp_path / "list.xlsx")
    assert refused.value.code == "case_database_schema"
