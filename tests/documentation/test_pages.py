"""Documentation is a tested contract: nothing that users meet is without an entry."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest
import typer

from features.feeds.contracts import TABLES, vocabularies
from features.feeds.validation import rules
from features.project import Project
from serving.cli import app
from serving.console import COMMON

PACKAGES = ("features", "models", "training", "reports", "serving")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its own options, as the command line knows them."""
    root = typer.main.get_command(app)
    for name, command in root.commands.items():
        nested = getattr(command, "commands", None)
        for inner, one in (nested or {"": command}).items():
            options = [o for p in one.params for o in p.opts if o.startswith("--") and p.name not in {*COMMON, "help"}]
            yield f"{name} {inner}".strip(), options


def test_every_command_and_option_has_its_line(root: Path) -> None:
    text = (root / "docs" / "commands.md").read_text("utf-8")
    lines = {
        re.split(r"[ `]", line.removeprefix("| `"), maxsplit=1)[0]: line
        for line in text.splitlines()
        if line.startswith("| `")
    }
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert lines
    for name, options in commands():
        found = [line for line in rows if line.startswith((f"| `{name}`", f"| `{name} "))]
        assert found, f"docs/commands.md has no line for {name}"
        missing = [option for option in options if option not in found[0]]
        assert missing == [], f"{name}: {missing}"


def test_every_command_speaks_both_languages() -> None:
    root = typer.main.get_command(app)
    for name, command in root.commands.items():
        for one in getattr(command, "commands", {"": command}).values():
            assert re.search(r"[\u4e00-\u9fff]", one.help or ""), name
            assert re.search(r"[A-Za-z]{4}", one.help or ""), name


def test_every_table_column_and_word_is_in_the_contract_page(root: Path) -> None:
    text = (root / "docs" / "data-contract.md").read_text("utf-8")
    for table in TABLES.values():
        assert f"### {table.name}" in text
        assert [c.name for c in table.columns if f"`{c.name}`" not in text] == []
    for name, entries in vocabularies().items():
        assert f"**{name}**" in text
        assert [word for word in entries if f"`{word}`" not in text] == []


def models_in(annotation: object) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def test_every_key_of_the_project_file_is_in_its_page(root: Path) -> None:
    text = (root / "docs" / "project-file.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    todo, seen = [Project], set()
    while todo:
        model = todo.pop()
        if model in seen:
            continue
        seen.add(model)
        assert model.__name__ in sections, model.__name__
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in sections[model.__name__], f"{model.__name__}.{name}"
            todo += list(models_in(field.annotation))
    assert set(sections) == {model.__name__ for model in seen}


def test_every_rule_has_its_sentence_and_repair() -> None:
    for rule, words in rules().items():
        for text in words.values():
            assert text.zh and text.en, rule


def test_links_lead_somewhere(root: Path) -> None:
    broken = []
    for page in [root / "README.md", *(root / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        found += [info.name for info in pkgutil.walk_packages(folder, f"{package}.") if not info.ispkg]
    return [name for name in found if name != "models.mlflow_model"]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0
