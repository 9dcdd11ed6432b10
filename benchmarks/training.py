"""Training at a province's size, and evaluation with intervals, each beside its peer in the same run.

    python benchmarks/training.py [--rows 600000] [--columns 90] [--rounds 300]

Prints: seconds and peak memory of the logistic regression and of the booster on rows × columns, as multiples of one
fit by LightGBM's own scikit-learn interface on float64; and seconds of 500 resampled evaluations as a share of the
same by a loop over scikit-learn (measured on 5 resamples, extrapolated).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import numpy as np


def _data(rows, columns):
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns), dtype=np.float32)
    x[random.random(x.shape, dtype=np.float32) < 0.15] = np.nan
    margin = -2.6 + 0.4 * np.nansum(x[:, :8], axis=1)
    return x, (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)


def _ours(rows, columns, rounds, answer):
    from features.project import ModelChoices
    from training import logistic
    from training.fitting import Sample, fit, margins

    x, outcome = _data(rows, columns)
    names = tuple(f"i{place}" for place in range(columns))
    choices = ModelChoices(rounds=rounds, distil=0.3)
    begun = time.perf_counter()
    teacher = logistic.fit(names, x, outcome, None, choices.logistic, seed=0)
    taught = time.perf_counter()
    texts = fit(Sample(names, x, outcome), choices, [1] * 8 + [0] * (columns - 8), seed=0, threads=2, teacher=teacher)
    fitted = time.perf_counter()
    margins(texts, x, threads=2)
    scored = time.perf_counter()
    answer.put((taught - begun, fitted - taught, scored - fitted, _peak()))


def _theirs(rows, columns, rounds, answer):
    from lightgbm import LGBMClassifier

    x, outcome = _data(rows, columns)
    x = x.astype(np.float64)
    begun = time.perf_counter()
    LGBMClassifier(n_estimators=rounds, num_leaves=16, learning_rate=0.03, n_jobs=2, verbosity=-1).fit(x, outcome)
    answer.put((time.perf_counter() - begun, _peak()))


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _apart(work, *arguments):
    """In a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=work, args=(*arguments, answer))
    process.start()
    found = answer.get()
    process.join()
    return found


def _evaluations(resamples=500):
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    from training.measures import all_measures, rank
    from training.resampling import draw

    random = np.random.default_rng(1)
    rows = 23_996
    household, day = random.integers(0, 9000, rows), random.integers(0, 4, rows)
    margin = random.normal(-2.5, 1.2, rows)
    probability = 1 / (1 + np.exp(-margin))
    outcome = (random.random(rows) < probability).astype(float)
    begun = time.perf_counter()
    drawn = draw(household, resamples, 1)
    ranking = rank(margin, outcome, household, day)
    for weights in drawn.weights():
        all_measures(ranking, probability, outcome, weights)
    ours = time.perf_counter() - begun
    begun = time.perf_counter()
    for number in range(1, 6):
        weights = drawn.counts[number][drawn.household]
        for measure, values in (
            (roc_auc_score, margin),
            (average_precision_score, margin),
            (brier_score_loss, probability),
        ):
            measure(outcome, values, sample_weight=weights)
    return ours, (time.perf_counter() - begun) / 5 * resamples


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--columns", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=300)
    chosen = parser.parse_args()
    size = (chosen.rows, chosen.columns, chosen.rounds)
    taught, fitted, scored, peak = _apart(_ours, *size)
    peer, peer_peak = _apart(_theirs, *size)
    print(f"{chosen.rows} rows x {chosen.columns} indicators, {chosen.rounds} rounds")
    print(f"logistic regression {taught:6.1f} s")
    print(f"booster             {fitted:6.1f} s, {fitted / peer:.2f} x plain LightGBM ({peer:.1f} s)")
    print(f"scores              {scored:6.1f} s")
    print(f"peak memory         {peak:6.2f} GiB, {peak / peer_peak:.2f} x plain LightGBM ({peer_peak:.2f} GiB)")
    ours, loop = _evaluations()
    print(
        f"500 resamples, nine measures: {ours:.1f} s; three of them by scikit-learn: {loop:.1f} s, {loop / ours:.1f} x"
    )
