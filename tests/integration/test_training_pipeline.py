"""Training from delivered files to a registered version, on a small generated survey."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.engines.duckdb import engine
from features.errors import NothingToDo, UsageError
from features.ingestion import ingest
from features.project import load_project
from features.settings import Home, Settings
from features.store import Store
from models import bundle as bundles
from models.registry import Registry
from reports.training import drawer
from training import pipeline
from training.promotion import find_measure, promote

HOUSEHOLDS, FIRST, MONTHS = 500, date(2020, 1, 1), 30
UNTIL = date(2021, 12, 31)
CONTENT = {
    "version": 1,
    "name": "survey",
    "title": {"zh": "试", "en": "trial"},
    "calendar": {"cadence": "month", "grain": "month"},
    "store": {"buckets": 2, "partition": "year"},
    "areas": {
        "levels": ["whole", "part"],
        "visits": "part",
        "listed": [
            {"code": "w", "name": {"zh": "全", "en": "whole"}, "level": "whole"},
            {"code": "n", "name": {"zh": "北", "en": "north"}, "level": "part", "parent": "w"},
            {"code": "s", "name": {"zh": "南", "en": "south"}, "level": "part", "parent": "w"},
        ],
    },
    "departments": {"bureau": {"name": {"zh": "局", "en": "bureau"}}},
    "feeds": {
        "survey": {
            "name": {"zh": "调查", "en": "survey"},
            "department": "bureau",
            "cadence": "month",
            "profile": {
                "columns": {
                    "house": {"type": "text", "required": True},
                    "month": {"type": "period", "required": True},
                    "area": {"type": "text", "required": True},
                    "income": {"type": "money"},
                },
                "derive": {"since": {"period_start": "month"}},
                "identifiers": {"household": {"from": ["house"], "type": "house", "normalise": "exact"}},
                "key": ["household", "month"],
                "knowledge": {"end_of": "month"},
                "records": [
                    {"table": "household", "set": {"household_id": "household", "valid_from": "since", "area_code": "area"}},
                    {
                        "table": "income",
                        "set": {"household_id": "household", "period": "month", "amount": "income"},
                        "const": {"source": "total", "is_estimate": False},
                        "when_present": ["income"],
                    },
                ],
            },
        }
    },
    "population": {"feed": "survey", "within": 1},
    "series": {
        "money": {
            "name": {"zh": "收入", "en": "income"},
            "table": "income",
            "measure": "amount",
            "where": {"source": "total"},
            "aggregate": "sum",
            "scale": 0.01,
        }
    },
    "indicators": {
        "legal_basis": "试",
        "declare": [
            {
                "id": name,
                "name": {"zh": name, "en": name},
                "family": "income",
                "direction": sign,
                "definition": definition,
            }
            for name, sign, definition in (
                ("income_now", -1, {"last": {"series": "money", "within": 1}}),
                ("income_mean", -1, {"mean": {"series": "money", "periods": 6}}),
                ("income_least", 0, {"minimum": {"series": "money", "periods": 6}}),
                ("months_told", 0, {"reported": {"series": "money", "periods": 12}}),
                ("told_lately", 0, {"reported": {"series": "money", "periods": 3}}),
            )
        ],
    },
    "tasks": {
        "poor": {
            "title": {"zh": "次月贫困", "en": "poor next month"},
            "horizon": "1 month",
            "mode": "at",
            "state": {"series": "money", "hardship": {"at_most": 1000}},
            "distance": "income_now",
            "near": 1300,
        }
    },
    "default_task": "poor",
    "model": {
        "parameters": {"min_data_in_leaf": 40, "learning_rate": 0.1, "num_leaves": 8},
        "rounds": 30,
        "members": 2,
        "distil": 0.3,
        "folds": {"count": 2, "test": "6 months"},
        "search": {"space": {"num_leaves": [4, 16]}},
        "without": ["told_lately"],
    },
    "baselines": {
        "lowest": "income_now",
        "rules": [
            {"name": {"zh": "近", "en": "near"}, "source": "-", "since": "2020", "when": {"income_now": {"at_most": 1200}}}
        ],
    },
    "levels": {"source": "-", "since": "2020", "red": 0.4, "orange": 0.2, "yellow": 0.1},
    "capacity": {"source": "-", "since": "2020", "default": 5},
    "listing": {"source": "-", "since": "2020"},
    "promotion": {
        "source": "-",
        "since": "2020",
        "gates": [
            {"measure": "auc", "at_least": 0.6},
            {"measure": "rules.average_precision_low", "at_least": -0.5},
            {"measure": "champion.auc", "at_least": -0.05},
        ],
    },
    "fairness": ["area", "income_now", "told_lately"],
}  # fmt: skip


def survey(folder: Path) -> Path:
    """Households whose income wanders around a level of their own; some months go unanswered."""
    random = np.random.default_rng(1)
    lines = ["house,month,area,income"]
    level = random.lognormal(7.4, 0.4, HOUSEHOLDS)
    shock = np.zeros(HOUSEHOLDS)
    for number in range(MONTHS):
        shock = 0.7 * shock + random.normal(0, 0.25, HOUSEHOLDS)
        year, month = divmod(FIRST.month - 1 + number, 12)
        for house in np.flatnonzero(random.random(HOUSEHOLDS) < 0.95):
            income = f"{level[house] * np.exp(shock[house]):.2f}" if random.random() < 0.97 else ""
            lines.append(f"h{house},{FIRST.year + year}-{month + 1:02d},{'ns'[house % 2]},{income}")
    file = folder / "survey.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    (folder / "project.yaml").write_text(yaml.safe_dump(CONTENT, allow_unicode=True), encoding="utf-8")
    project = load_project(folder / "project.yaml")
    settings = Settings(home=folder / "home", threads=1, pseudonym_key="0a" * 32)
    ingest(survey(folder), project, settings, feed="survey", received_on=date(2022, 7, 1))
    return project, settings


def train(world, *, home=None, seed=3, register=False, trials=0, until=UNTIL, draw=None):
    project, settings = world
    home = home or Home(settings.home)
    with engine(settings, home) as opened:
        return pipeline.train(
            project, "poor", Store(home, project), Registry(settings, home), until=until, trials=trials, seed=seed,
            register=register, engine=opened, settings=settings, draw=draw,
        )  # fmt: skip


def evaluate(world, version, first=date(2022, 1, 1), last=date(2022, 6, 30)):
    project, settings = world
    home = Home(settings.home)
    with engine(settings, home) as opened:
        return pipeline.evaluate(
            project, "poor", Store(home, project), Registry(settings, home), first=first, last=last, version=version,
            resamples=60, engine=opened, settings=settings,
        )  # fmt: skip


@pytest.fixture(scope="module")
def trained(world):
    return train(world, register=True, draw=drawer(world[0]))


def test_training_makes_a_version_that_beats_the_rules(trained):
    assert trained.version == "1"
    assert set(trained.metrics) == {"lightgbm", "logistic", "lowest_income_first", "rules", "area_rate"}
    main, rules = trained.metrics["lightgbm"], trained.metrics["rules"]
    assert main["auc"] > 0.75
    assert main["average_precision"] > rules["average_precision"]
    assert rules["calibration_slope"] is None
    assert main["auc_interval"][0] < main["auc"] < main["auc_interval"][1]
    assert trained.report["out_of_fold"] == "time"
    counts = trained.report["training"]["counts"]
    assert counts["rows"] == sum(value for key, value in counts.items() if key != "rows")
    assert counts["immature"] == 0
    json.dumps(trained.report, allow_nan=False)


def test_plots_and_card_stand_on_disk_and_in_the_run(world, trained):
    project, settings = world
    folder = settings.home / project.name / "trainings" / f"{trained.bundle_digest[:24]}-report"
    plots = [f"{name}.{language}.{form}" for name in ("shap_summary", "waterfall_highest", "calibration", "precision")
             for language in ("zh", "en") for form in ("png", "svg")]  # fmt: skip
    expected = {"evaluation.json", "model_card.zh.html", "model_card.en.html", *plots}
    assert expected <= {file.name for file in folder.iterdir()}
    with Registry(settings, Home(settings.home))._asking() as client:
        assert {file.path for file in client.list_artifacts(trained.run_id, "reports")} == {
            f"reports/{name}" for name in expected
        }
    said = pd.read_parquet(folder / "out_of_fold.parquet")
    assert list(said.columns) == ["score", "probability", "outcome"]
    assert trained.bundle_digest in (folder / "model_card.zh.html").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_bundle_to_the_byte(world, trained, tmp_path):
    project, settings = world
    copy = tmp_path / "home"
    shutil.copytree(settings.home / project.name / "store", copy / project.name / "store")
    again = train((project, Settings(home=copy, threads=2)), home=Home(copy))
    assert again.bundle_digest == trained.bundle_digest
    for file in sorted((copy / project.name / "bundles" / again.bundle_digest).iterdir()):
        twin = settings.home / project.name / "bundles" / trained.bundle_digest / file.name
        assert file.read_bytes() == twin.read_bytes(), file.name


def test_a_finished_training_is_only_logged_again(world, trained, monkeypatch):
    monkeypatch.setattr(pipeline, "gather", lambda *_: pytest.fail("nothing is computed twice"))
    again = train(world, register=True)
    assert (again.bundle_digest, again.version, again.run_id) == (
        trained.bundle_digest,
        trained.version,
        trained.run_id,
    )


def test_a_training_killed_before_its_receipt_ends_in_the_same_bundle(world, trained):
    project, settings = world
    for receipt in (settings.home / project.name / "trainings").glob("*.json"):
        receipt.unlink()
    again = train(world, register=True)
    assert (again.bundle_digest, again.version) == (trained.bundle_digest, trained.version)


def test_the_bundle_carries_its_baselines_and_says_what_it_was_made_of(world, trained):
    made = bundles.load(bundle_of(world, trained))
    assert set(made.baselines) == {"logistic", "lowest_income_first", "rules", "area_rate"}
    assert made.manifest["until"] == "2021-12-31"
    assert made.manifest["data_day"] == "2021-11-30"
    assert made.manifest["seed"] == 3
    saved = yaml.safe_load((made.folder / "project.yaml").read_text(encoding="utf-8"))
    assert type(world[0]).model_validate(saved).model_dump() == world[0].model_dump()


def bundle_of(world, trained):
    project, settings = world
    return settings.home / project.name / "bundles" / trained.bundle_digest


def test_later_outcomes_judge_a_version_and_its_stored_baselines(world, trained):
    report = evaluate(world, "1")
    assert set(report["models"]) == {"lightgbm", "logistic", "lowest_income_first", "rules", "area_rate"}
    assert report["rows"] > 1000
    assert 0.02 < report["base_rate"] < 0.5
    assert report["immature"] == 0
    assert not report["overlaps_training"]
    assert 0.8 < report["models"]["lightgbm"]["calibration_slope"] < 1.25
    assert set(report["slices"]["distance"]) == {"near", "far"}
    assert len(report["slices"]["as_of"]) == 6
    assert sum(part["rows"] for part in report["slices"]["area"].values()) == report["rows"]
    assert set(report["fairness"]["area"]) == {"n", "s"}
    assert set(report["fairness"]["income_now"]) >= {"lower", "middle", "upper"}
    lately = report["fairness"]["told_lately"]  # compared, though no model learns from it
    assert {"2", "3"} <= set(lately) and sum(group["rows"] for group in lately.values()) == report["rows"]
    assert "told_lately" not in [entry.id for entry in bundles.load(bundle_of(world, trained)).schema.entries]
    assert report["capacity"]["models"]["lightgbm"]["listed"] == 6 * 2 * 5
    assert report["differences"]["rules"]["auc"] == pytest.approx(
        report["models"]["lightgbm"]["auc"] - report["models"]["rules"]["auc"], abs=2e-6
    )
    json.dumps(report, allow_nan=False)


def test_what_is_not_yet_mature_is_counted_and_left_out(world, trained):
    report = evaluate(world, "latest", first=date(2022, 5, 1), last=date(2022, 9, 30))
    assert report["immature"] > 0
    assert report["counts"]["immature"] == report["immature"]
    assert max(report["slices"]["as_of"]) == "2022-05-31"
    with pytest.raises(UsageError):
        evaluate(world, "1", first=date(2023, 1, 1), last=date(2023, 12, 31))


def test_gates_decide_and_a_person_may_force(world, trained):
    project, settings = world
    registry = Registry(settings, Home(settings.home))
    evaluate(world, "1")
    tried = promote(project, "poor", registry, version="1", alias="champion", reason="", approver="", dry_run=True)
    assert tried.passed
    assert not tried.moved
    assert [gate.measure for gate in tried.gates] == ["auc", "rules.average_precision_low", "champion.auc"]
    assert tried.gates[2].note == "no_other_champion"
    moved = promote(project, "poor", registry, version="1", alias="champion", reason="first", approver="a person")
    assert moved.moved
    assert moved.previous is None
    assert moved.evaluated == "2022-01-01/2022-06-30"
    other = train(world, seed=4, register=True)
    waiting = promote(project, "poor", registry, version=other.version, alias="champion", reason="r", approver="p")
    assert not waiting.passed
    assert waiting.gates[2].note == "not_evaluated_against_champion"
    report = evaluate(world, other.version)
    assert report["champion_version"] == "1"
    assert abs(report["differences"]["champion"]["auc"]) < 0.05
    assert promote(project, "poor", registry, version=other.version, alias="champion", reason="r", approver="p").moved
    strict = project.model_copy(update={"promotion": type(project.promotion).model_validate(
        {"source": "-", "since": "2020", "gates": [{"measure": "auc", "at_least": 0.999}, {"measure": "nothing", "at_most": 1}]}
    )})  # fmt: skip
    refused = promote(strict, "poor", registry, version="1", alias="champion", reason="", approver="")
    assert [gate.passed for gate in refused.gates] == [False, False]
    assert not refused.moved
    with pytest.raises(UsageError):
        promote(strict, "poor", registry, version="1", alias="champion", reason="", approver="", force=True)
    forced = promote(strict, "poor", registry, version="1", alias="champion", reason="r", approver="p", force=True)
    assert forced.moved
    assert not forced.passed


def test_a_search_changes_parameters_and_says_so(world):
    found = train(world, trials=2, seed=5)
    assert found.report["training"]["search"]["trials"] == 3
    assert found.report["training"]["search"]["best"] is not None
    assert found.version is None


def test_a_training_without_a_mature_day_is_refused(world):
    with pytest.raises(UsageError):
        train(world, until=date(2020, 1, 31))


def test_what_a_training_would_use(world):
    project, settings = world
    steps = pipeline.plan(project, "poor", Store(Home(settings.home), project), until=UNTIL)
    assert steps["days"][-1] == "2021-11-30"
    assert steps["folds"][-1]["test"] == ["2021-06-30", "2021-11-30"]


def test_measures_are_found_by_their_path():
    report = {"models": {"lightgbm": {"auc": 0.8}}, "differences": {"rules": {"auc": 0.1, "auc_interval": [0.05, 0.2]}}}
    assert find_measure(report, "auc") == 0.8
    assert find_measure(report, "rules.auc_low") == 0.05
    assert find_measure(report, "differences.rules.auc_high") == 0.2
    assert find_measure(report, "rules.unknown") is None
    assert NothingToDo.exit_code == 6
