"""Reasons and their words, in both languages."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.project import Currency
from models.levels import INSUFFICIENT, RANKS
from models.reasons import MOST_REASONS, MOST_RELIEFS, Reason, explain
from models.schema import IndicatorEntry, Schema
from models.wording import (
    LANGUAGES,
    Voice,
    disclaimer,
    gap,
    gaps,
    gist,
    half_width_marks,
    influence,
    level,
    missing_sentences,
    missing_words,
    per_100,
    sentence,
    words,
)
from tests.unit.test_models_scoring import entry

SCHEMA = Schema(tuple(entry(f"c{at}", topic=f"topic{at // 2}") for at in range(12)))


@given(
    arrays(float, 12, elements=st.one_of(st.just(float("nan")), st.floats(-5, 5))),
    arrays(float, 12, elements=st.floats(-2, 2)),
)
def test_reasons_are_few_grouped_and_never_speak_of_missing_values(values, contributions) -> None:
    found = explain(SCHEMA, values, contributions)
    assert len(found.reasons) <= MOST_REASONS
    assert len(found.relief) <= MOST_RELIEFS
    assert set(found.silent) <= set(found.missing)
    assert found == explain(SCHEMA, values, contributions)
    assert 0 <= found.explained <= 1
    for reason in (*found.reasons, *found.relief):
        assert not np.isnan(values[SCHEMA.ids.index(reason.indicator)])
        assert reason.raises == (reason.contribution > 0)
        assert 1 <= reason.influence <= 5
    assert len({reason.topic for reason in found.reasons}) == len(found.reasons)
    assert list(found.reasons) == sorted(found.reasons, key=lambda r: (-abs(r.contribution), r.indicator))


def test_both_languages_have_all_words() -> None:
    assert missing_words() == []
    for section in words("zh").values():
        for text in section.values():
            assert half_width_marks(text) == []
    for language in LANGUAGES:
        kept = {f"{s}.{k}": _placeholders(t) for s, entries in words(language).items() for k, t in entries.items()}
        assert kept == {f"{s}.{k}": _placeholders(t) for s, e in words("zh").items() for k, t in e.items()}


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", text))


def test_errors_of_models_are_written_in_full_width_and_in_both_languages() -> None:
    path = resources.files("features") / "words" / "errors" / "models.toml"
    for code, texts in tomllib.loads(path.read_text(encoding="utf-8")).items():
        assert set(texts) == {"zh", "en", "repair_zh", "repair_en"}, code
        assert half_width_marks(texts["zh"] + texts["repair_zh"]) == []
        assert _placeholders(texts["zh"]) == _placeholders(texts["en"])


@pytest.mark.parametrize(("text", "slips"), [
    ("收入下降，支出上升（30%）。", 0), ("收入下降,支出上升", 1), ("来源:民政", 1), ("范围(25)", 1),
    ("收入(元)：3,000", 2),
])  # fmt: skip
def test_half_width_marks_after_chinese_are_found(text: str, slips: int) -> None:
    assert len(half_width_marks(text)) == slips


def reason(**more) -> Reason:
    said = {"indicator": "c0", "family": "income", "topic": "t", "raises": True, "contribution": 1.0, "influence": 5,
            "value": 2.0, "members": ("c0",)}  # fmt: skip
    return Reason(**{**said, **more})


def worded(unit: str, zh: str, en: str) -> IndicatorEntry:
    return dataclasses.replace(entry("c0"), unit=unit, names={"zh": "收入", "en": "income"}, up={"zh": zh, "en": en})


@pytest.mark.parametrize(("unit", "value", "zh", "en", "said_zh", "said_en"), [
    ("money", 2713000, "自付{value}", "paid {value}", "自付 27,130 元", "paid 27,130 yuan"),
    ("yuan", 27130, "自付{value}元", "paid {value} yuan", "自付 27,130 元", "paid 27,130 yuan"),
    ("months", 3, "断缴{value}", "a gap of {value}", "断缴 3 个月", "a gap of 3 months"),
    ("months", 1, "断缴{value}", "a gap of {value}", "断缴 1 个月", "a gap of 1 month"),
    ("share", 0.324, "占{value}", "{value} of need", "占 32%", "32% of need"),
    ("persons", 4, "家庭{value}人", "{value} members", "家庭 4 人", "4 members"),
    ("count", 2, "住院{value}次", "{value} admissions", "住院 2 次", "2 admissions"),
    ("log_ratio", np.log(0.5), "是平时的{value}", "is {value} the usual", "是平时的 0.5 倍", "is 0.5 × the usual"),
    ("rank", 0.9, "收入：{value}", "income: {value}", "收入：每 10 户同类家庭中约有 9 户比这户低",
     "income: about 9 of 10 similar households are lower"),
    ("flag", 1, "欠费：{value}", "arrears: {value}", "欠费：是", "arrears: yes"),
])  # fmt: skip
def test_a_value_takes_its_place_in_a_sentence(unit, value, zh, en, said_zh, said_en) -> None:
    made = worded(unit, zh, en)
    assert sentence(Voice("zh", Currency()), made, reason(value=value)) == said_zh
    assert sentence(Voice("en", Currency()), made, reason(value=value)) == said_en


def test_what_is_not_known_is_not_spoken_of() -> None:
    aside = worded("money", "收入{value}（平时{usual}）", "income is {value} (usually {usual})")
    zh, en = Voice("zh", Currency()), Voice("en", Currency())
    assert sentence(zh, aside, reason(value=100000.0)) == "收入 1,000 元"
    assert sentence(en, aside, reason(value=100000.0)) == "income is 1,000 yuan"
    assert sentence(zh, aside, reason(value=100000.0, usual=300000.0)) == "收入 1,000 元（平时 3,000 元）"
    needed = worded("money", "收入由{previous}变为{value}", "income went from {previous} to {value}")
    assert sentence(zh, needed, reason(value=100000.0)) == "收入：1,000 元"
    assert sentence(en, needed, reason(value=100000.0)) == "income: 1,000 yuan"


def test_a_value_of_nothing_has_its_own_sentence() -> None:
    entry = worded("months", "{value}前退出救助 | 正在享受救助", "assistance ended {value} ago | assistance goes on")
    zh, en = Voice("zh", Currency()), Voice("en", Currency())
    assert (sentence(zh, entry, reason(value=0.0)), sentence(en, entry, reason(value=0.0))) == (
        "正在享受救助",
        "assistance goes on",
    )
    assert sentence(zh, entry, reason(value=3.0)) == "3 个月前退出救助"
    assert sentence(en, entry, reason(value=1.0)) == "assistance ended 1 month ago"


@pytest.mark.parametrize("raises", [True, False])
def test_of_a_yes_or_no_the_sentence_says_what_is_so(*, raises: bool) -> None:
    zh = Voice("zh", Currency())
    one = dataclasses.replace(worded("flag", "老人独居", "an elder lives alone"), direction=1)
    one = dataclasses.replace(one, down={"zh": "不是独居老人", "en": "no elder lives alone"})
    assert sentence(zh, one, dataclasses.replace(reason(value=1.0), raises=raises)) == "老人独居"
    assert sentence(zh, one, dataclasses.replace(reason(value=0.0), raises=raises)) == "不是独居老人"


def test_indicators_of_one_topic_make_one_reason_and_the_weightiest_speaks() -> None:
    contributions = np.zeros(12)
    contributions[[0, 1, 2, 3, 5]] = [0.3, 0.5, -0.4, 0.1, 0.8]
    values = np.arange(12.0)
    found = explain(SCHEMA, values, contributions)
    assert [(r.indicator, round(r.contribution, 6)) for r in found.reasons] == [("c1", 0.8), ("c5", 0.8)]
    assert [(r.indicator, round(r.contribution, 6)) for r in found.relief] == [("c2", -0.3)]
    assert found.reasons[0].members == ("c0", "c1")
    values[[1, 5]] = np.nan
    silent = explain(SCHEMA, values, contributions)
    assert [r.indicator for r in silent.reasons] == ["c0"]
    assert silent.silent == ("c5", "c1")


@pytest.mark.parametrize("family", ["context", "data_quality"])
def test_seasons_and_the_age_of_data_are_no_reasons_even_beside_others_of_their_topic(family) -> None:
    entries = (
        dataclasses.replace(entry("bill", topic="medical"), family="expense"),
        dataclasses.replace(entry("age", topic="medical"), family=family),
        dataclasses.replace(entry("season", topic="season"), family=family),
    )
    found = explain(Schema(entries), np.ones(3), np.array([0.2, 0.6, 0.7]))
    assert [(reason.indicator, reason.members) for reason in found.reasons] == [("bill", ("bill",))]
    assert found.explained == pytest.approx(0.2 / 1.5)


def test_a_missing_value_is_absent_late_or_not_reported_in_three_sentences() -> None:
    feeds = {"medical": {"zh": "医保结算", "en": "medical settlements"}}
    made = dataclasses.replace(entry("paid"), feeds=feeds)
    for language in LANGUAGES:
        voice = Voice(language, Currency())
        said = [gap(voice, made, {"medical": state}) for state in (0, 1, 2)]
        assert len(set(said)) == 3
        assert "paid" in said[0]
        assert all(feeds["medical"][language] in text for text in said[1:])
        schema = Schema((made, dataclasses.replace(made, id="more")))
        found = explain(schema, np.full(2, np.nan), np.array([0.4, 0.2]))
        assert found.reasons == ()
        assert missing_sentences(voice, schema, found, {"medical": 2}) == [said[2]]
    two = dataclasses.replace(made, feeds={**feeds, "verified": {"zh": "核对", "en": "verification"}})
    assert "paid" in gap(Voice("en", Currency()), two, {"medical": 2, "verified": 0})


@pytest.mark.parametrize("language", LANGUAGES)
def test_levels_influence_and_the_disclaimer_have_words(language: str) -> None:
    voice = Voice(language, Currency())
    for name in (*RANKS, INSUFFICIENT):
        assert level(voice, name)
    assert len({influence(voice, reason(influence=step)) for step in range(1, 6)}) == 5
    assert disclaimer(voice).startswith({"zh": "提醒，不是认定", "en": "A reminder, not a determination"}[language])
    assert voice.number(-0.2) == "0"


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_say_numbers_with_units(language: str) -> None:
    voice = Voice(language, Currency())
    assert voice.value("money", 2713000) == {"zh": "27,130 元", "en": "27,130 yuan"}[language]
    assert voice.value("share", 0.324) == "32%"
    assert voice.value("number", float("nan")) == {"zh": "（无数据）", "en": "(no data)"}[language]
    text = per_100(voice, 0.32, 0.25, 0.39)
    assert (
        text
        == {
            "zh": "像这样的家庭，每 100 户约有 32 户（把握范围 25–39 户）",
            "en": "Of 100 households like this, about 32 (range 25–39)",
        }[language]
    )
    values, contributions = np.full(12, 1.5), np.linspace(1, 0.1, 12)
    found = explain(SCHEMA, values, contributions)
    sentences = [sentence(voice, SCHEMA.entries[SCHEMA.ids.index(r.indicator)], r) for r in found.reasons]
    assert all("1.5" in text for text in sentences)
    assert sentences[0] in gist(voice, sentences)


def test_a_gap_is_late_or_absent_and_never_zero() -> None:
    feeds = {"medical": {"zh": "医保结算", "en": "medical settlements"}}
    said = list(gaps(Voice("en", Currency()), {"medical": 1, "power": 0}, feeds))
    assert said == ["medical settlements has not yet reported the newest period"]
    assert "no data on this household" in next(gaps(Voice("en", Currency()), {"medical": 2}, feeds))
