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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from features.project import Levels
from features.staging import staged_folder
from models.booster import Booster, load_booster
from models.calibration import Calibration
from models.schema import Schema

FORMAT = 1
MANIFEST = "bundle.json"


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
    """
    files = {
        "schema.json": canonical(schema.plain()),
        "booster.txt": booster.encode(),
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
    """Read a bundle and check it: every file's digest, and the schema's hash.

    Raises:
        DataError: a file is absent or changed, or the schema is not the one the manifest was written for.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = json.loads(text)
        named = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError("bundle_unreadable", folder=folder.name[:12]) from error
    if manifest.get("format") != FORMAT:
        raise DataError("bundle_format_other", folder=folder.name[:12], format=manifest.get("format"))
    files = {name: _checked(folder, name, digest) for name, digest in named.items()}
    schema = Schema.of_plain(json.loads(files["schema.json"]))
    if schema.hash != manifest["schema_hash"]:
        raise DataError("bundle_schema_other", folder=folder.name[:12])
    booster = load_booster(files["booster.txt"].decode(), threads=threads)
    if booster.width != len(schema.entries):
        raise DataError("bundle_schema_other", folder=folder.name[:12])
    return Bundle(
        folder,
        hashlib.sha256(text).hexdigest(),
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
