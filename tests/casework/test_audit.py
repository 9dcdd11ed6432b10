"""Whatever is done to the log is found: a change, a removal, another order, an end cut off, a forged day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from features.errors import UsageError
from features.settings import Home
from serving.casework import audit
from serving.casework.audit import Head, Line, SignedDay
from serving.casework.database import Database
from serving.casework.keeping import DAYS, WITNESS, Keeper, lines
from tests.casework.made import TOWN

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 1, 18, tzinfo=UTC)  # two in the morning of the second, there


@pytest.fixture
def keeper(tmp_path) -> Keeper:
    home = Home(tmp_path / "home")
    return Keeper(home, home.project("p"))


def fill(keeper: Keeper, database: Database, count: int = 6, start: datetime = START) -> Head:
    head = Head()
    for number in range(count):
        with database.writing() as session:
            head = keeper.write(
                session, start + timedelta(hours=10 * number), TOWN, [("decision", f"h{number}", {"code": number})]
            )
        keeper.witness(head)
    return head


def tamper(database: Database, *statements: str) -> None:
    """As somebody who owns the database: what keeps its rows goes first."""
    with database.engine.begin() as connection:
        for table in ("casework_audit", "casework_signed_day"):
            for change in ("update", "delete"):
                on = "" if database.sqlite else f" ON {table}"
                connection.execute(text(f"DROP TRIGGER {table}_no_{change}{on}"))
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_log_that_was_left_alone_holds(keeper: Keeper, database: Database) -> None:
    head = fill(keeper, database)
    assert keeper.verify(database) == audit.Verified(6, 0, ())
    days = keeper.sign_days(database, date(2026, 3, 4), ZONE)
    assert [(day.day, day.first, day.last) for day in days] == [(date(2026, 3, 2), 1, 3), (date(2026, 3, 3), 4, 5)]
    assert keeper.sign_days(database, date(2026, 3, 4), ZONE) == []
    assert keeper.verify(database) == audit.Verified(6, 2, ())
    assert keeper.witnessed() == head


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (["UPDATE casework_audit SET detail = '{\"code\":9}' WHERE seq = 3"], (3, "changed")),
        (["UPDATE casework_audit SET account = 'other' WHERE seq = 2"], (2, "changed")),
        (["DELETE FROM casework_audit WHERE seq = 4"], (4, "missing")),
        (["DELETE FROM casework_audit WHERE seq = 1"], (1, "missing")),
        (["DELETE FROM casework_audit WHERE seq >= 5"], (5, "truncated")),
        (
            [
                "DELETE FROM casework_audit WHERE seq = 6",
                "UPDATE casework_audit_head SET seq = 5, digest = (SELECT digest FROM casework_audit WHERE seq = 5)",
            ],
            (6, "truncated"),
        ),
        (
            [
                "UPDATE casework_audit SET seq = 100 WHERE seq = 2",
                "UPDATE casework_audit SET seq = 2 WHERE seq = 3",
                "UPDATE casework_audit SET seq = 3 WHERE seq = 100",
            ],
            (2, "changed"),
        ),
        (["DELETE FROM casework_audit"], (1, "truncated")),
        (["DELETE FROM casework_audit", "UPDATE casework_audit_head SET seq = 0, digest = ''"], (1, "truncated")),
        (["UPDATE casework_audit_head SET digest = 'x'"], (6, "changed")),
    ],
)
def test_tampering_is_found_where_it_was_done(
    keeper: Keeper, database: Database, statements: list[str], what: tuple[int, str]
) -> None:
    fill(keeper, database)
    tamper(database, *statements)
    found = keeper.verify(database)
    assert not found.ok
    assert what in {(fault.seq, fault.what) for fault in found.faults}
    assert found.faults[0].seq == what[0]


def test_signed_days_outlive_head_and_witness(keeper: Keeper, database: Database, tmp_path) -> None:
    fill(keeper, database)
    keeper.sign_days(database, date(2026, 3, 4), ZONE)
    folder = tmp_path / "home" / "p" / "casework"
    (folder / WITNESS).unlink()
    tamper(
        database, "DELETE FROM casework_audit WHERE seq >= 4", "DELETE FROM casework_signed_day WHERE last >= 4",
        "UPDATE casework_audit_head SET seq = 3, digest = (SELECT digest FROM casework_audit WHERE seq = 3)",
    )  # fmt: skip
    assert [(fault.seq, fault.what) for fault in keeper.verify(database).faults] == [(5, "day")]
    (folder / DAYS / "2026-03-03.json").unlink()
    assert keeper.verify(database).ok  # with both witnesses gone as well, nothing is left that could tell


def test_a_forged_day_is_found(keeper: Keeper, database: Database) -> None:
    fill(keeper, database)
    keeper.sign_days(database, date(2026, 3, 4), ZONE)
    forged = SignedDay(date(2026, 3, 2), 1, 2, "d", "").signed(Ed25519PrivateKey.generate())
    tamper(database, f"UPDATE casework_signed_day SET signature = '{forged.signature}' WHERE first = 1")
    assert {fault.what for fault in keeper.verify(database).faults} == {"signature", "day"}


def test_somebody_with_another_key_cannot_write_lines_that_hold(keeper: Keeper, database: Database, tmp_path) -> None:
    fill(keeper, database, 2)
    other = Home(tmp_path / "other")
    with database.writing() as session:
        Keeper(other, other.project("p")).write(session, START, TOWN, [("decision", "h", {})])
    assert [(fault.seq, fault.what) for fault in keeper.verify(database).faults] == [(3, "changed")]


def test_a_witness_that_is_behind_is_no_fault_and_never_goes_back(keeper: Keeper, database: Database) -> None:
    head = fill(keeper, database, 3)
    with database.writing() as session:  # killed before it could note
        keeper.write(session, START, TOWN, [("view", "h", {})])
    assert keeper.verify(database).ok
    keeper.witness(Head(1, "x"))
    assert keeper.witnessed() == head


def test_a_clock_set_back_leaves_no_line_unsigned(keeper: Keeper, database: Database) -> None:
    for at in (START + timedelta(days=1), START, START + timedelta(days=2)):
        with database.writing() as session:
            keeper.write(session, at, TOWN, [("view", "h", {})])
    days = keeper.sign_days(database, date(2026, 3, 9), ZONE)
    assert (days[0].first, days[-1].last) == (1, 3)
    assert keeper.verify(database).ok


def test_lines_that_fail_leave_the_head_where_it_was(keeper: Keeper, database: Database) -> None:
    fill(keeper, database, 1)
    with pytest.raises(RuntimeError), database.writing() as session:
        keeper.write(session, START, TOWN, [("decision", "h", {})])
        raise RuntimeError
    assert keeper.verify(database) == audit.Verified(1, 0, ())


def test_fields_do_not_run_into_each_other() -> None:
    made = [
        Line(1, START, account, role, "", "k", "s", "{}", "").sealed(b"k" * 32).digest
        for account, role in (("ab", "c"), ("a", "bc"))
    ]
    assert made[0] != made[1]


def test_lines_can_be_read_by_time_and_exported(keeper: Keeper, database: Database) -> None:
    fill(keeper, database)
    with database.reading() as session:
        found = list(lines(session, START + timedelta(hours=5), START + timedelta(hours=25)))
    assert [line.seq for line in found] == [2, 3]
    assert json.loads(json.dumps(found[0].plain()))["detail"] == {"code": 1}


def test_a_broken_key_is_said(keeper: Keeper, tmp_path) -> None:
    folder = tmp_path / "home" / "keys"
    folder.mkdir(parents=True)
    (folder / "audit-signing.key").write_text("nonsense")
    with pytest.raises(UsageError, match=r"audit-signing\.key"):
        _ = keeper.public
