"""The whole chain on a generated sample, as a department and a data scientist would drive it, and what must hold."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features.engines.duckdb import engine
from features.errors import NothingToDo
from features.ingestion import ingest
from features.project import Project, load_project
from features.province.deliveries import DELIVERED_ON, feed_of
from features.province.people import GIVEN_FIRST, GIVEN_SECOND, SURNAMES
from features.province.sample import write_sample
from features.province.sample_files import DELIVERIES
from features.settings import Home, Settings
from features.store import Receipt, Store
from models.registry import Registry
from serving.runs import Options, Run
from serving.scoring import explain_household, run
from training.pipeline import Trained, evaluate, train
from training.promotion import promote

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own; ours are errors in the tests of each part
SECRETS = {
    "identity number": re.compile(r"(?<![0-9a-zA-Z])99\d{15}[\dX](?![0-9a-zA-Z])"),
    "telephone": re.compile(r"(?<![0-9a-zA-Z.])2\d{10}(?![0-9a-zA-Z.])"),
    "household number": re.compile(r"HJ\d{15}"),
    "name": re.compile(f"[{SURNAMES}][{GIVEN_FIRST}][{GIVEN_SECOND}]"),
}
KEY = "5a" * 32


@dataclass(frozen=True)
class Chain:
    """What each step gave."""

    project: Project
    settings: Settings
    files: list[Path]
    receipts: list[Receipt]
    trained: Trained
    evaluated: dict[str, Any]
    made: Run
    told: Any

    @property
    def store(self) -> Store:
        return Store(Home(self.settings.home), self.project)

    @property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.made.folder / "list.json").read_text("utf-8"))["households"]
        return found


def take_in(files: list[Path], project: Project, settings: Settings) -> list[Receipt]:
    return [ingest(file, project, settings, received_on=DELIVERED_ON) for file in files]


@pytest.fixture(scope="module")
def chain(tmp_path_factory, root) -> Chain:
    folder = tmp_path_factory.mktemp("chain")
    project = load_project(root / "examples" / "sample" / "project.yaml")
    settings = Settings(home=folder / "home", pseudonym_key=KEY)
    files = write_sample(folder / "files", households=400, months=24)
    receipts = take_in(files, project, settings)
    store, registry = Store(Home(settings.home), project), Registry(settings, Home(settings.home))
    name, task = project.task()
    until = task.horizon.before(DELIVERED_ON)
    with engine(settings) as opened:
        common: dict[str, Any] = {"engine": opened, "settings": settings}
        trained = train(project, name, store, registry, until=until, register=True, **common)
        window = {"first": until + timedelta(days=1), "last": DELIVERED_ON}
        evaluated = evaluate(project, name, store, registry, version=trained.version, resamples=50, **window, **common)
        promote(
            project, name, registry, version=str(trained.version), alias="champion", reason="test", approver="test",
            force=True, dry_run=False,
        )  # fmt: skip
        made = run(project, name, store, registry, as_of=DELIVERED_ON, options=Options(seed=1), **common)
        first = json.loads((made.folder / "list.json").read_text("utf-8"))["households"][0]["household_id"]
        told = explain_household(project, name, store, registry, first, as_of=DELIVERED_ON, engine=opened)
    return Chain(project, settings, files, receipts, trained, evaluated, made, told)


def test_every_row_is_accounted_for(chain):
    for receipt in chain.receipts:
        assert receipt.accepted + receipt.already_known + receipt.quarantined == receipt.delivered, receipt.feed
    assert [receipt.feed for receipt in chain.receipts] == [feed_of(file) for file in chain.files]
    assert sum(receipt.delivered for receipt in chain.receipts) == sum(map(rows_of, chain.files))


def test_every_mistake_is_caught_and_no_more(chain):
    caught: dict[str, int] = {}
    for receipt in chain.receipts:
        caught[receipt.feed] = caught.get(receipt.feed, 0) + receipt.quarantined
    for feed, delivery in DELIVERIES.items():
        assert caught[feed] == len(delivery.mistakes), feed
    assert sum(receipt.already_known for receipt in chain.receipts) >= 60
    assert sum(receipt.corrections for receipt in chain.receipts) > 0


def test_the_same_file_again_changes_nothing(chain):
    before = chain.store.version
    with pytest.raises(NothingToDo):
        ingest(chain.files[0], chain.project, chain.settings, received_on=DELIVERED_ON)
    assert chain.store.version == before


def test_the_store_is_the_same_when_built_again(chain, tmp_path):
    settings = replace(chain.settings, home=tmp_path / "again")
    take_in(chain.files, chain.project, settings)
    assert digests(tmp_path / "again" / "sample" / "store") == digests(chain.settings.home / "sample" / "store")


def test_a_model_beats_what_it_is_held_against(chain):
    models = chain.evaluated["models"]
    assert set(models) >= {"lightgbm", "logistic", "rules", "lowest_income_first", "area_rate"}
    assert 0.65 < models["lightgbm"]["auc"] < 0.97
    assert models["lightgbm"]["auc"] > models["rules"]["auc"]


def test_a_list_is_made_within_capacity(chain):
    by_area: dict[str, int] = {}
    for row in chain.listed:
        by_area[row["area_code"]] = by_area.get(row["area_code"], 0) + 1
    assert chain.made.listed == len(chain.listed) > 10
    assert max(by_area.values()) <= chain.project.capacity.default
    assert len({row["household_id"] for row in chain.listed}) == len(chain.listed)


def test_reasons_are_told_in_both_languages(chain):
    warned = [row for row in chain.listed if row["level"] in ("red", "orange", "yellow")]
    assert warned
    for row in warned:
        assert row["reasons"], row["household_id"]
        for reason in row["reasons"]:
            assert re.search(r"[\u4e00-\u9fff]", reason["sentence"]["zh"])
            assert re.search(r"[a-z]{3}", reason["sentence"]["en"])
            assert not re.search(r"[\u4e00-\u9fff{}]", reason["sentence"]["en"])


def test_reasons_stand_on_records(chain):
    records = [reason["record"] for row in chain.listed for reason in row["reasons"] if reason["record"]]
    assert records
    assert {record["file"] for record in records} <= {file.name for file in chain.files}


def test_the_same_run_again_is_the_same_run(chain):
    before = digests(chain.made.folder)
    name, _ = chain.project.task()
    home = Home(chain.settings.home)
    with engine(chain.settings) as opened:
        again = run(
            chain.project, name, chain.store, Registry(chain.settings, home), as_of=DELIVERED_ON,
            settings=chain.settings, engine=opened, options=Options(seed=1),
        )  # fmt: skip
    assert again.run_id == chain.made.run_id
    assert again.existed
    assert digests(again.folder) == before


def test_nobody_can_be_identified_in_anything_that_is_kept(chain):
    known = {kind: set() for kind in SECRETS}
    for file in chain.files:
        for text in texts(file):
            for kind, pattern in SECRETS.items():
                known[kind] |= set(pattern.findall(text))
    assert all(len(values) > 300 for values in known.values())
    found = []
    for path in sorted(chain.settings.home.rglob("*")):
        if path.is_file():
            for text in texts(path):
                found += [
                    (path.relative_to(chain.settings.home).as_posix(), kind)
                    for kind, pattern in SECRETS.items()
                    if known[kind].intersection(pattern.findall(text))
                ]
    assert found == []


def test_the_search_for_identities_would_find_one(chain, tmp_path):
    pq.write_table(
        pq.read_table(next(file for file in chain.files if file.suffix == ".parquet")), tmp_path / "x.parquet"
    )
    assert any(SECRETS["identity number"].search(text) for text in texts(tmp_path / "x.parquet"))


def rows_of(file: Path) -> int:
    if file.suffix == ".parquet":
        return pq.read_metadata(file).num_rows
    if file.suffix == ".xlsx":
        from python_calamine import CalamineWorkbook

        return len(CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()) - 1
    return file.read_bytes().count(b"\n") - 1


def texts(path: Path) -> Iterator[str]:
    """Everything that a file says, packed or not, in the encodings that departments use."""
    content = path.read_bytes()
    if content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content))
        yield "\n".join(str(column.to_pylist()) for column in table.columns)
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            yield from (packed.read(name).decode("utf-8", errors="replace") for name in packed.namelist())
    yield content.decode("utf-8", errors="replace")
    yield content.decode("gb18030", errors="replace")


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file, by its place."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
