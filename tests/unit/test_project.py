"""The project file: what is wrong is said with its place, its value and what was probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from features.divisions import area_tree
from features.errors import ProjectError
from features.project import load_project


@pytest.fixture
def content(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "examples" / "eph" / "project.yaml").read_text("utf-8"))


def load(content: Any, tmp_path: Path):
    file = tmp_path / "project.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return load_project(file)


def refused(content: Any, tmp_path: Path) -> str:
    with pytest.raises(ProjectError) as error:
        load(content, tmp_path)
    assert error.value.exit_code == 2
    return error.value.sentence("en")


def test_the_same_content_has_one_digest(content: dict[str, Any], tmp_path: Path) -> None:
    first = load(content, tmp_path)
    assert load(dict(reversed(content.items())), tmp_path).digest == first.digest
    content["calendar"]["cadence"] = "month"
    assert load(content, tmp_path).digest != first.digest


@pytest.mark.parametrize(
    ("path", "wrong", "meant"),
    [
        ((), "calender", "calendar"),
        (("calendar",), "cadense", "cadence"),
        (("feeds", "survey"), "minimum_shar", "minimum_share"),
        (("feeds", "survey", "profile"), "record", "records"),
        (("tasks", "N1"), "horizont", "horizon"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(content, tmp_path, path, wrong: str, meant: str) -> None:
    place = content
    for part in path:
        place = place[part]
    place[wrong] = 1
    sentence = refused(content, tmp_path)
    assert ".".join([*path, wrong]) in sentence
    assert f"did you mean '{meant}'" in sentence


def test_bands_must_be_in_order(content: dict[str, Any], tmp_path: Path) -> None:
    content["levels"]["orange"] = 0.9
    assert "red must be above orange" in refused(content, tmp_path)


def test_a_policy_number_without_a_source_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    del content["capacity"]["source"]
    assert "capacity.source" in refused(content, tmp_path)


def test_a_feed_without_a_key_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    content["feeds"]["survey"]["profile"]["key"] = []
    assert "without key columns is not loaded" in refused(content, tmp_path)


def test_yaml_that_cannot_be_read_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "project.yaml"
    file.write_text("a: [1\nb: 2", encoding="utf-8")
    with pytest.raises(ProjectError) as error:
        load_project(file)
    assert "line 2" in error.value.sentence("en")


def test_an_unknown_task_is_refused_with_the_near_one(content: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as error:
        load(content, tmp_path).task("N11")
    assert "N1" in error.value.repair("en")


def test_areas_know_what_contains_them(root: Path) -> None:
    tree = area_tree(load_project(root / "examples" / "eph" / "project.yaml"))
    assert [area.code for area in tree.chain("33")] == ["33", "R1", "0"]
    assert tree.at_level("33", "region") == "R1"
    assert tree.at_level("R1", "agglomerate") == "R1", "a skipped level is answered for by the area above"
    assert tree.at_level("nowhere", "region") is None
    assert tree.name("33", "en") == "Partidos del Gran Buenos Aires"


def test_all_examples_load(root: Path) -> None:
    for file in sorted(root.glob("examples/*/project.yaml")):
        project = load_project(file)
        assert area_tree(project).areas
        for task in project.tasks:
            assert project.choices(task).rounds > 0
