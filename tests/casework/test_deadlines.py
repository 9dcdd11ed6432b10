"""Working days with 调休, hours, years that are not published, and what is due on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from features.errors import ProjectError
from serving.casework import actions as a
from serving.casework.deadlines import Announced, due, later, next_due, read_rules
from serving.casework.routing import Duration, read_routing, sources_of
from tests.casework.made import MONDAY, RULES, TOWN, VILLAGE, alert, answer, classified, referred, through


def days(amount: int, unit: str = "working_day") -> Duration:
    return Duration(amount=amount, unit=unit, source="test", mark="P")


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "amount", "ends"),
    [
        (at(2026, 2, 13), 1, date(2026, 2, 14)),  # a Saturday that is worked
        (at(2026, 2, 14), 1, date(2026, 2, 24)),  # Spring Festival
        (at(2026, 9, 30), 2, date(2026, 10, 9)),  # National Day
        (at(2026, 10, 9), 1, date(2026, 10, 10)),  # worked again
        (at(2026, 3, 6), 1, date(2026, 3, 9)),
    ],
)
def test_working_days_follow_the_published_arrangement(start: datetime, amount: int, ends: date) -> None:
    found = later(start, days(amount), RULES)
    assert (RULES.day(found.at), found.provisional) == (ends, False)


def test_the_day_of_the_place_counts_and_not_that_of_the_machine() -> None:
    evening = datetime(2026, 3, 2, 17, tzinfo=UTC)  # one in the morning of the third, there
    assert RULES.day(later(evening, days(1, "day"), RULES).at) == date(2026, 3, 4)
    assert later(evening, days(24, "hour"), RULES).at == evening + timedelta(hours=24)


def test_a_year_that_is_not_published_is_said_and_can_be_put_in() -> None:
    start = datetime(2098, 12, 31, 3, tzinfo=UTC)
    found = later(start, days(1), RULES)
    assert found.provisional and RULES.day(found.at) == date(2099, 1, 1)
    announced = {2099: Announced(off=[date(2099, 1, 1), date(2099, 1, 2)], worked=[date(2099, 1, 3)])}
    known = RULES.model_copy(update={"deadlines": RULES.deadlines.model_copy(update={"announced": announced})})
    again = later(start, days(1), known)
    assert not again.provisional and RULES.day(again.at) == date(2099, 1, 3)


def steps(case, moment: datetime) -> dict[str, str]:
    return {one.step: one.status for one in due(case, moment, RULES)}


def test_what_is_due_changes_with_the_day() -> None:
    case = alert()
    assert steps(case, MONDAY) == {"assign": "soon", "visit": "ahead"}
    assert steps(case, MONDAY + timedelta(days=2)) == {"assign": "overdue", "visit": "ahead"}
    assert steps(case, MONDAY + timedelta(days=9))["assign"] == "escalate"
    assert next_due(case, RULES) == RULES.end(date(2026, 3, 3))


def test_a_referral_owes_receipt_and_answer_on_the_desk_where_it_lies() -> None:
    case = referred()
    found = {one.step: one for one in due(case, MONDAY, RULES)}
    assert set(found) == {"receive", "answer"}
    assert RULES.day(found["answer"].at) == date(2026, 3, 23)
    assert {one.department for one in found.values()} == {"medical_security"}
    assert set(steps(through(case, answer("F0")), MONDAY)) == {"answer"}
    passed = through(case, answer("F8", next_department="health"), at=MONDAY + timedelta(days=7))
    assert {(one.step, one.department) for one in due(passed, MONDAY, RULES)} == {
        ("receive", "health"),
        ("answer", "health"),
    }


def test_a_small_sum_owes_its_papers_in_five_working_days() -> None:
    given = through(alert(), a.GiveSmallSum(by=VILLAGE, referral_id="s", amount_fen=1, on=date(2026, 3, 2)))
    papers = next(one for one in due(given, MONDAY, RULES) if one.step == "papers")
    assert RULES.day(papers.at) == date(2026, 3, 9)


def test_urgent_need_is_answered_within_hours() -> None:
    case = through(classified(), a.Refer(by=TOWN, referral_id="r", need="N02"))
    first = next(one for one in due(case, MONDAY, RULES) if one.step == "first_help")
    assert first.at == MONDAY + timedelta(hours=24)


def test_return_to_poverty_counts_from_the_alert() -> None:
    case = through(classified(), a.Refer(by=TOWN, referral_id="r", need="N11"))
    found = next(one for one in due(case, MONDAY, RULES) if one.step == "answer")
    assert RULES.day(found.at) == date(2026, 3, 16)


def test_the_table_is_whole_dated_and_sourced() -> None:
    table = read_routing()
    assert list(table.needs) == [f"N{number:02d}" for number in range(1, 23)]
    assert table.since and "粤府办" in table.source and table.most_passes == 2
    for code, need in table.needs.items():
        assert need.clause and need.kinds.zh and need.kinds.en and need.answer.source, code
        assert set(need.feedback) <= {f"F{number}" for number in range(1, 10)}, code
    assert table.answers("N04") == ("F0", "F1", "F2", "F4", "F5", "F8")
    assert "F8" not in table.answers("N04", binding=True)
    assert table.lead("N22", "tax") == "tax"
    with pytest.raises(ValueError, match="chosen"):
        table.lead("N22")
    assert sources_of(["a", "b", "unknown"], {"a": "tax", "b": "tax"}) == ("tax",)


def test_a_deployment_puts_its_own_table_in_place_and_mistakes_are_named(tmp_path) -> None:
    from importlib import resources

    text = (resources.files("serving.casework") / "routing.yaml").read_text("utf-8")
    (tmp_path / "routing.yaml").write_text(text.replace("most_passes: 2", "most_passes: 1"), "utf-8")
    assert read_rules(tmp_path).routing.most_passes == 1
    assert read_rules(tmp_path).deadlines == RULES.deadlines
    (tmp_path / "routing.yaml").write_text(text.replace("lead: justice", "lead: justise"), "utf-8")
    with pytest.raises(ProjectError, match="justise"):
        read_rules(tmp_path)
