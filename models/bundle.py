"""The bundle: a folder of plain files that scores, named by the digest of its content. No pickle, no clock.

bundle.json       manifest: project, task, data day, seed, versions, schema hash, SHA-256 of each file
schema.json       ordered indicators with everything needed to word reasons
booster.txt       LightGBM text
calibration.json  slope, intercept, drift
levels.json       bands and triggers
baselines.json    rules, logistic regression, area rates; stored with the version
project.yaml      the project file as it was
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from features.project import Levels
from features.staging import staged_folder
from models.booster import Booster, canonical_text, load_booster
from models.calibration import Calibration
from models.levels import assign, bands_of, trigger_indicators, triggered_ranks
from models.schema import Schema

FORMAT = 1
MANIFEST = "bundle.json"
PARTS = ("schema.json", "booster.txt", "calibration.json", "levels.json", "baselines.json", "project.yaml")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    digest: str
    manifest: Mapping[str, Any]
    schema: Schema
    booster: Booster
    calibration: Calibration
    levels: Levels
    baselines: Mapping[str, Any]

    @property
    def task(self) -> str:
        """The task it predicts."""
        return str(self.manifest["task"])

    @property
    def needed(self) -> list[str]:
        """All indicators that a level takes: the booster's in order, then those of triggers."""
        return list(dict.fromkeys([*self.schema.ids, *trigger_indicators(self.levels)]))

    def margins(self, matrix: np.ndarray) -> np.ndarray:
        """Raw scores of a matrix in schema order."""
        return self.booster.margins(matrix)

    def probabilities(self, margins: np.ndarray) -> np.ndarray:
        """Calibrated probabilities."""
        return self.calibration.probability(margins)

    def ranges(self, margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Low and high share of 100 households like this."""
        return self.calibration.range(margins)

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """Exact contributions in log-odds before calibration, and the base."""
        return self.booster.contributions(matrix)

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """margin, probability, low and high for each row of a frame of indicators, on the frame's index."""
        margins = self.margins(self.schema.matrix(frame))
        low, high = self.ranges(margins)
        columns = {"margin": margins, "probability": self.probabilities(margins), "low": low, "high": high}
        return pd.DataFrame(columns, index=frame.index)

    def assess(self, frame: pd.DataFrame, *, previous: Sequence[str] | None = None) -> pd.DataFrame:
        """`score` with the level beside it: bands, hysteresis against the levels before, and triggers.

        Raises:
            DataError: an indicator that the booster or a trigger needs is not in the frame.
        """
        scores = self.score(frame)
        ranks, _ = triggered_ranks(self.levels, frame)
        sufficient = frame[self.schema.ids].notna().any(axis=1).to_numpy()
        probability = scores["probability"].to_numpy()
        found = assign(probability, bands_of(self.levels), previous=previous, triggered=ranks, sufficient=sufficient)
        return scores.assign(level=found)


def canonical(content: Any) -> bytes:
    """JSON that is the same for the same content."""
    return (json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def save(
    bundles: Path,
    *,
    manifest: Mapping[str, Any],
    schema: Schema,
    booster: str,
    calibration: Calibration,
    levels: Levels,
    baselines: Mapping[str, Any],
    project_file: bytes,
) -> Bundle:
    """Write a bundle under `bundles/<digest>` in one rename and load it.

    The same parts give the same bytes and the same digest; where the folder exists already, it stays.

    Raises:
        ValueError: the booster has another number of columns than the schema, or a baseline is no finite number.
    """
    if load_booster(booster).width != len(schema.entries):
        raise ValueError("the booster was not fitted on this schema")
    files = {
        "schema.json": canonical(schema.plain()),
        "booster.txt": canonical_text(booster).encode(),
        "calibration.json": canonical(calibration.plain()),
        "levels.json": canonical(levels.model_dump(mode="json")),
        "baselines.json": canonical(baselines),
        "project.yaml": project_file,
    }
    content = {
        **manifest,
        "format": FORMAT,
        "schema_hash": schema.hash,
        "files": {name: hashlib.sha256(text).hexdigest() for name, text in files.items()},
    }
    files[MANIFEST] = canonical(content)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    final = bundles / digest
    with staged_folder(final) as staged:
        for name, text in files.items():
            (staged / name).write_bytes(text)
    return load(final)


@functools.lru_cache(maxsize=8)
def load(folder: Path, *, threads: int = 1) -> Bundle:
    """`read`, remembered by this process: a bundle's folder never changes."""
    return read(folder, threads=threads)


def read(folder: Path, *, threads: int = 1) -> Bundle:
    """Read a bundle and check it: every file's digest, the folder's name where it is one, and the schema's hash.

    Raises:
        DataError: a file is absent or changed, or the schema is not the one the manifest was written for.
    """
    name = folder.name[:12]
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = json.loads(text)
        named = {part: str(manifest["files"][part]) for part in PARTS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("bundle_unreadable", folder=name) from error
    if manifest.get("format") != FORMAT:
        raise DataError("bundle_format_other", folder=name, format=manifest.get("format"))
    digest = hashlib.sha256(text).hexdigest()
    if _DIGEST.fullmatch(folder.name) and folder.name != digest:
        raise DataError("bundle_file_changed", folder=name, file=MANIFEST)
    files = {part: _checked(folder, part, expected) for part, expected in named.items()}
    try:
        return _opened(folder, digest, manifest, files, threads)
    except (ValueError, KeyError, TypeError) as error:  # written by something else: digests fit, content does not
        raise DataError("bundle_unreadable", folder=name) from error


def _opened(folder: Path, digest: str, manifest: Mapping[str, Any], files: Mapping[str, bytes], threads: int) -> Bundle:
    schema = Schema.of_plain(json.loads(files["schema.json"]))
    booster = load_booster(files["booster.txt"].decode(), threads=threads)
    if schema.hash != manifest["schema_hash"] or booster.width != len(schema.entries):
        raise DataError("bundle_schema_other", folder=folder.name[:12])
    return Bundle(
        folder,
        digest,
        manifest,
        schema,
        booster,
        Calibration.of_plain(json.loads(files["calibration.json"])),
        Levels.model_validate(json.loads(files["levels.json"])),
        json.loads(files["baselines.json"]),
    )


def _checked(folder: Path, name: str, digest: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError("bundle_file_absent", folder=folder.name[:12], file=name) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError("bundle_file_changed", folder=folder.name[:12], file=name)
    return content


def same_meaning(bundle: Bundle, schema: Schema) -> None:
    """Refuse to score with indicators that are computed differently now.

    Raises:
        DataError: names the indicators that changed.
    """
    now = {entry.id: entry.definition_hash for entry in schema.entries}
    changed = [entry.id for entry in bundle.schema.entries if now.get(entry.id) != entry.definition_hash]
    if changed:
        raise DataError("bundle_meaning_changed", names=", ".join(changed[:5]), count=len(changed))
