"""The words of casework: every closed vocabulary with its texts, and sentences of mistakes and refusals."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources

from features.feeds.contracts import vocabularies
from features.strict import Words
from reports import documents

NUMBERED = {"validity": "validity", "cause": "cause", "method": "method"}
"""Vocabularies whose texts stand with the visit form's."""
SHARED = {"feedback": "feedback_code", "need": "need_code"}
"""Vocabularies of the data contract."""


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, Words]]:
    """Own vocabularies: group → code → words."""
    text = (resources.files("serving.casework") / "words.toml").read_text(encoding="utf-8")
    return {group: {key: Words(**said) for key, said in codes.items()} for group, codes in tomllib.loads(text).items()}


def word(group: str, key: str, /, **fields: object) -> Words:
    """The text of a code.

    >>> word("state", "alert").zh, word("validity", "V1").en, word("feedback", "F0").zh
    ('待分派', 'in hardship now', '已收到')
    """
    if group in NUMBERED:
        return documents.words(f"{NUMBERED[group]}_{key}")
    if group in SHARED:
        return vocabularies()[SHARED[group]][key]
    said = catalogue()[group][key]
    return Words(zh=said.zh.format(**fields), en=said.en.format(**fields)) if fields else said


def joined(group: str, keys: Iterable[str]) -> Words:
    """Several codes as one text; a dash where there is none."""
    said = [word(group, key) for key in keys]
    return Words(zh="、".join(one.zh for one in said) or "—", en=", ".join(one.en for one in said) or "—")
