"""Everything that the record of a visit may say, by field and code, for paper and workbooks."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from features.feeds.contracts import vocabularies
from features.strict import Words
from serving.casework.classification import vocabulary
from serving.casework.words import word


@functools.cache
def record_choices() -> Mapping[str, Mapping[str, Words]]:
    """Fields of the record beside method, finding and cause, whose choices every list has."""
    words = vocabulary()
    fields = {
        "met": words.met, "verdict": words.verdicts, "depth": [str(code) for code in words.depths],
        "evidence": words.evidence, "savings": words.savings, "kin": words.kin, "disposition": [*words.disposition],
    }  # fmt: skip
    found = {field: {code: word(field, code) for code in codes} for field, codes in fields.items()}
    return {**found, "need": dict(vocabularies()["need_code"])}
