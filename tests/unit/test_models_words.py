"""Reasons and their words, in both languages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.project import Currency
from models.reasons import MOST_REASONS, MOST_RELIEFS, explain
from models.schema import Schema
from models.wording import LANGUAGES, Voice, gaps, gist, half_width_marks, missing_words, per_100, sentence, words
from tests.unit.test_models_scoring import entry

SCHEMA = Schema(tuple(entry(f"c{at}", topic=f"topic{at // 2}") for at in range(12)))


@given(
    arrays(float, 12, elements=st.one_of(st.just(float("nan")), st.floats(-5, 5))),
    arrays(float, 12, elements=st.floats(-2, 2)),
)
def test_reasons_are_few_grouped_and_never_speak_of_missing_values(values, contributions) -> None:
    found = explain(SCHEMA, values, contributions)
    assert len(found.reasons) <= MOST_REASONS and len(found.relief) <= MOST_RELIEFS
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_say_numbers_with_units(language: str) -> None:
    voice = Voice(language, Currency())
    assert voice.value("money", 2713000) == {"zh": "27,130 元", "en": "27,130 yuan"}[language]
    assert voice.value("share", 0.324) == "32%"
    assert voice.value("number", float("nan")) == {"zh": "（无数据）", "en": "(no data)"}[language]
    text = per_100(voice, 0.32, 0.25, 0.39)
    assert "32" in text and "25" in text and "39" in text
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
