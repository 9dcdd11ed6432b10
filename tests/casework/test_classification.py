"""The form: closed, nothing preselected, every mistake at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reports.weekly_list import CAUSES, VALIDITIES
from serving.casework.classification import Form, check, needs_of, vocabulary
from serving.casework.words import catalogue, word
from tests.casework.made import DAY, RULES, form

NEEDS = tuple(RULES.routing.needs)


def codes(made: Form, listed: tuple[str, ...] = ()) -> dict[str, str]:
    found = check(made, listed_reasons=listed, needs=NEEDS, not_before=DAY - timedelta(days=1), today=DAY)
    return {mistake.field: mistake.code for mistake in found}


@pytest.mark.parametrize("validity", VALIDITIES)
def test_a_whole_form_of_each_validity_is_taken(validity: str) -> None:
    assert codes(form(validity)) == {}


def test_nothing_is_preselected() -> None:
    empty = Form()
    assert all(not value for value in empty.model_dump().values())
    assert set(codes(empty)) == {"visited_on", "method", "validity", "disposition"}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"visited_on": DAY + timedelta(days=1)}, "visited_on", "future"),
        ({"visited_on": DAY - timedelta(days=2)}, "visited_on", "before_opening"),
        ({"method": "letter"}, "method", "unknown_code"),
        ({"met": ()}, "met", "missing"),
        ({"met": ("nobody", "head")}, "met", "nobody_and_somebody"),
        ({"met": ("nobody",)}, "validity", "nobody_met"),
        ({"minutes": None}, "minutes", "missing"),
        ({"minutes": 0}, "minutes", "minutes_range"),
        ({"validity": "V10"}, "validity", "unknown_code"),
        ({"causes": ()}, "causes", "missing"),
        ({"causes": ("C1", "C2", "C3", "C4")}, "causes", "causes_many"),
        ({"causes": ("C1", "C1")}, "causes", "twice"),
        ({"depth": None}, "depth", "missing"),
        ({"onset": DAY + timedelta(days=1)}, "onset", "onset_late"),
        ({"evidence": ()}, "evidence", "missing"),
        ({"disposition": "D6", "needs": ()}, "disposition", "disposition_unfit"),
        ({"needs": ()}, "needs", "missing"),
        ({"needs": ("N99",)}, "needs", "unknown_code"),
        ({"causes": ("C15",)}, "note", "note_missing"),
        ({"note": "字" * 2001}, "note", "note_long"),
        ({"note": "身份证 99010119900101001X 已看"}, "note", "note_identity"),
        ({"reasons": {"unlisted": "true"}}, "reasons", "unknown_code"),
        ({"recheck_on": DAY}, "recheck_on", "day_range"),
    ],
)
def test_each_mistake_is_named_at_its_field(changes: dict[str, object], field: str, code: str) -> None:
    assert codes(form("V1").model_copy(update=changes)).get(field) == code


def test_every_listed_factor_wants_its_verdict() -> None:
    listed = ("own_payment", "lost_job")
    assert codes(form("V1", reasons={"own_payment": "true"}), listed) == {"reasons": "reasons_open"}
    assert codes(form("V1", reasons={"own_payment": "false", "lost_job": "unclear"}), listed) == {}
    assert codes(form("V7"), listed) == {}


def test_dates_ahead() -> None:
    assert codes(form("V9", recheck_on=None)) == {"recheck_on": "missing"}
    assert codes(form("V2", disposition="D5", needs=())) == {"watch_until": "missing"}
    assert codes(form("V2", disposition="D5", needs=(), watch_until=DAY + timedelta(days=366))) == {
        "watch_until": "day_range"
    }


def test_mistakes_speak_both_languages_and_say_the_numbers() -> None:
    [mistake] = check(form("V1", disposition="D6", needs=()), needs=NEEDS, not_before=DAY, today=DAY)
    assert "立即急难救助" in mistake.words.zh and "urgent help now" in mistake.words.en
    assert "{" not in mistake.words.zh + mistake.words.en


def test_needs_go_with_the_disposition() -> None:
    assert needs_of(Form(disposition="D1")) == ("N02",)
    assert needs_of(Form(disposition="D7", needs=("N22",))) == ("N22",)
    assert needs_of(Form()) == ()


def test_the_vocabulary_and_the_words_agree() -> None:
    words = vocabulary()
    assert list(words.validity) == list(VALIDITIES)
    assert list(words.disposition) == list(catalogue()["disposition"]) == [f"D{number}" for number in range(1, 10)]
    assert [str(depth) for depth in words.depths] == list(catalogue()["depth"])
    for group in ("met", "evidence", "savings", "kin"):
        assert list(catalogue()[group]) == getattr(words, group)
    assert list(catalogue()["verdict"]) == words.verdicts
    for code in (*VALIDITIES, *CAUSES):
        assert word("validity" if code in VALIDITIES else "cause", code).zh
    for rule in words.validity.values():
        assert set(rule.dispositions) <= set(words.disposition)
