"""Plots: no glyph is missing on a machine without a Chinese font, and the same data give the same bytes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from reports import plots
from reports.fonts import font_file

RANDOM = np.random.default_rng(3)
CONTRIBUTIONS = RANDOM.normal(size=(120, 6)) * np.array([1, 0.6, 0.4, 0.3, 0.1, 0.05])
VALUES = np.where(RANDOM.random((120, 6)) < 0.1, np.nan, RANDOM.normal(size=(120, 6)))
NAMES = ["近三月医疗自付", "工资收入", "人均低保标准差额", "户内重残人数", "用电量变化", "数据缺报"]
SCORES = RANDOM.random(2000)
OUTCOMES = (RANDOM.random(2000) < SCORES * 0.4).astype(float)

MADE = {
    "beeswarm": lambda **k: plots.beeswarm(CONTRIBUTIONS, VALUES, NAMES, **k),
    "waterfall": lambda **k: plots.waterfall(-2.3, CONTRIBUTIONS[0], NAMES, most=4, **k),
    "calibration": lambda **k: plots.calibration(SCORES * 0.4, OUTCOMES, **k),
    "precision": lambda **k: plots.precision_curve(SCORES, OUTCOMES, marks=(100,), **k),
}


def test_the_font_is_found_through_its_package():
    file = font_file()
    assert file is not None
    assert file.stat().st_size > 1_000_000


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("form", ["png", "svg"])
def test_no_glyph_is_missing_and_bytes_repeat(name, language, form):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, two = (MADE[name](language=language, form=form) for _ in range(2))
    assert one == two
    assert one[:4] == (b"\x89PNG" if form == "png" else b"<?xm")
