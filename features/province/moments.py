"""Moments of a simulated province: what must be true of it before a model may be judged on it.

AUC alone cannot tell a faithful world from a false one (domain reference, D4.6 and D4.7); these moments can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.province.living import Month
from features.province.state import Flags, Floats
from features.province.world import Block, Province

CATASTROPHIC, SUBSISTENCE = 0.40, 0.80
"""Own medical payments above this share of what is left of a year's income after subsistence (a share of need)."""
YEAR = 12
LABEL_MONTHS = 3


@dataclass(frozen=True)
class Lived:
    """Months of all households: households × months."""

    first: int
    urban: Flags
    hardship: Flags
    onset: Flags
    flow: Floats
    need: Floats
    inpatient: Floats
    medical: Floats
    outpatient: Floats
    admissions: np.ndarray
    assisted: Flags
    members: np.ndarray


def lived(province: Province) -> Lived:
    """A whole province, held in memory; for small ones."""
    course = province.course()
    parts = [_block(province.block(number, course), province) for number in range(province.blocks)]
    return Lived(province.first, *(np.concatenate([part[ix] for part in parts]) for ix in range(len(parts[0]))))


def _block(block: Block, province: Province) -> tuple[np.ndarray, ...]:
    months: Sequence[Month] = list(block.months(province.first, province.last))

    def wide(name: str) -> np.ndarray:
        return np.stack([getattr(month, name) for month in months], axis=1)

    inpatient = wide("inpatient") + wide("serious_own")
    return (
        block.state.urban, wide("hardship"), wide("onset"), wide("flow"), wide("need"), wide("inpatient"), inpatient,
        wide("outpatient"), wide("admissions"), wide("assisted"), block.state.size,
    )  # fmt: skip


def moments(found: Lived) -> dict[str, float]:
    """The table of moments, by name; rates as shares, amounts in yuan."""
    year = slice(YEAR, 2 * YEAR)
    income, need = found.flow[:, year], found.need[:, year]
    clear_before = np.column_stack([np.ones(len(income), dtype=bool), ~found.hardship[:, :-1]])
    onsets = found.onset & clear_before
    labels = _labels(found)
    cv = income.std(axis=1) / np.maximum(income.mean(axis=1), 1)
    poorest = income.mean(axis=1) <= np.quantile(income.mean(axis=1), 0.2)
    admitted = found.admissions > 0
    bills = found.inpatient[admitted] / found.admissions[admitted]
    capacity = income.sum(axis=1) - SUBSISTENCE * need.sum(axis=1)
    capacity = np.maximum(capacity, 0.05 * income.sum(axis=1))
    inpatient = found.medical[:, year].sum(axis=1) > CATASTROPHIC * capacity
    catastrophic = (found.medical + found.outpatient)[:, year].sum(axis=1) > CATASTROPHIC * capacity
    hazard = _exits(found)
    return {
        "hardship": float(found.hardship.mean()),
        "onset": float(onsets[:, 1:].sum() / clear_before[:, 1:].sum()),
        "label": float(np.mean(list(labels.values()))),
        "label_least": min(labels.values()),
        "label_most": max(labels.values()),
        "cv": float(cv.mean()),
        "cv_poorest": float(cv[poorest].mean()),
        "income_to_need": float(np.median(income.sum(axis=1) / need.sum(axis=1))),
        "bill_mean": float(bills.mean()),
        "bill_median": float(np.median(bills)),
        "admissions": float(found.admissions[:, year].sum() / found.members.sum()),
        "catastrophic_inpatient": float(inpatient.mean()),
        "catastrophic_inpatient_urban": float(inpatient[found.urban].mean()),
        "catastrophic_inpatient_rural": float(inpatient[~found.urban].mean()),
        "catastrophic": float(catastrophic.mean()),
        "catastrophic_urban": float(catastrophic[found.urban].mean()),
        "catastrophic_rural": float(catastrophic[~found.urban].mean()),
        "exit_early": hazard[0],
        "exit_late": hazard[1],
        "assisted_in_hardship": float(found.assisted[found.hardship].mean()),
    }


def _labels(found: Lived) -> dict[int, float]:
    """Share with an onset in the next three months among those who are not in hardship, by calendar month."""
    by_month: dict[int, list[float]] = {}
    for at in range(found.onset.shape[1] - LABEL_MONTHS):
        clear = ~found.hardship[:, at]
        ahead = found.onset[clear, at + 1 : at + 1 + LABEL_MONTHS].any(axis=1)
        by_month.setdefault((found.first + at) % YEAR, []).append(float(ahead.mean()))
    return {month: float(np.mean(rates)) for month, rates in by_month.items()}


def _exits(found: Lived) -> tuple[float, float]:
    """Hazard of leaving hardship in the fourth to sixth, and in the tenth to fourteenth month of a spell."""
    spell = np.zeros(len(found.hardship), dtype=np.int64)
    at_risk, left = np.zeros(60), np.zeros(60)
    for at in range(1, found.hardship.shape[1]):
        spell = np.where(found.onset[:, at], 1, np.where(found.hardship[:, at - 1] & (spell > 0), spell + 1, spell))
        out = found.hardship[:, at - 1] & ~found.hardship[:, at] & (spell > 0)
        counted = np.minimum(spell, 59)
        at_risk += np.bincount(counted, minlength=60)
        left += np.bincount(counted[out], minlength=60)
        spell = np.where(out, 0, spell)
    early = left[4:7].sum() / max(at_risk[4:7].sum(), 1)
    late = left[10:15].sum() / max(at_risk[10:15].sum(), 1)
    return float(early), float(late)


def cyclone_season(province: Province) -> float:
    """Share of the expected cyclone hits that falls into July to September."""
    v = province.values.disasters
    chance = np.array(v.cyclone)
    return float(chance[6:9].sum() / chance.sum())
