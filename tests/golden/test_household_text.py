"""The explanation's text, word for word: a change here is a change in what people read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.household import to_text
from tests.invented import EXPLANATION

HERE = Path(__file__).parent


@pytest.mark.parametrize("language", ["zh", "en"])
def test_text(language):
    assert to_text(EXPLANATION, language) == (HERE / f"household.{language}.txt").read_text(encoding="utf-8")
