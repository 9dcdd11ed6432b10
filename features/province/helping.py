"""Help that a visit leads to: the only way in which somebody outside changes the simulated households.

A simulated field that visits households calls `give` between two months. The oracle's futures are without it, so that
its chances say what comes when nobody helps.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from features.province.state import Flags, Generator, Integers, State
from features.province.values import Values

Kind = Literal["assistance", "grant"]


def give(state: State, values: Values, rows: Integers, kind: Kind, rng: Generator, *, line: float = 1.0) -> Flags:
    """Help some households from the coming month on.

    Args:
        state: households of a block, changed in place.
        values: `help` and `assistance` of it are used.
        rows: positions of the helped households, each at most once.
        kind: `assistance` starts with a chance, and lasts as any other; a `grant` is a single sum added to savings.
        rng: of the field, not of the block: without visits the block lives as it would have.
        line: what multiplies the local line now (`Course.line`).

    Returns:
        whether each of `rows` was given something.
    """
    need = state.need(values, line)[rows]
    if kind == "grant":
        cap = values.living.savings_cap * need
        state.savings[rows] = np.minimum(state.savings[rows] + values.help.grant_months * need, cap)
        return np.ones(len(rows), dtype=bool)
    granted: Flags = ~state.assisted[rows] & (rng.random(len(rows)) < values.help.granted)
    helped = rows[granted]
    short = values.assistance.pays_up_to * need[granted] - state.flows[helped].mean(axis=1)
    state.assisted[helped] = True
    state.paid[helped] = np.maximum(short, 0.0)
    return granted
