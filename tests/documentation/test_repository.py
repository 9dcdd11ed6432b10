"""The repository's own rules: what may stand in it, and that code and catalogues agree."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from features.errors import catalogue
from features.feeds.contracts import vocabularies
from features.settings import RECORDS

PACKAGES = ("features", "models", "training", "reports", "serving")
FORBIDDEN = re.compile(r"/(?:work|root|farm)/|pythonhosted|registry\.npmjs|deb\.debian\.org|://pypi\.org/simple")
TALK = re.compile(r"\b(?:sub" + r"agent|coding ag" + r"ent|language model ses" + r"sion)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    )
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def modules(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def test_nothing_large_is_tracked(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.stat().st_size > 400_000] == []


def test_no_machine_path_no_registry_no_talk(tracked: list[Path], root: Path) -> None:
    found = []
    for path in tracked:
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(root)}:{n}"
            for n, line in enumerate(text.splitlines(), 1)
            if FORBIDDEN.search(line) or TALK.search(line)
        ]
    assert found == []


def test_every_error_has_its_words_and_every_word_its_error(root: Path) -> None:
    raised: set[str] = set()
    for _, tree in modules(root):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id.endswith(("Error", "NothingToDo"))
            ):
                if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                    raised.add(node.args[0].value)
    texts = catalogue()
    named = {text for _, tree in modules(root) for text in strings(tree)}
    assert {code for code in raised if re.fullmatch(r"[a-z_]+", code)} - set(texts) == set()
    assert set(texts) - named == set(), "texts that no code uses"
    for code, text in texts.items():
        assert set(text) == {"zh", "en", "repair_zh", "repair_en"}, code
        fields = {key: set(re.findall(r"{(\w+)", value)) for key, value in text.items()}
        assert fields["zh"] == fields["en"], code


def test_every_setting_is_documented(root: Path) -> None:
    text = (root / "docs" / "settings.md").read_text("utf-8")
    assert [record.name for record in RECORDS if f"`{record.name}`" not in text] == []


def strings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_data_set_column_stands_in_code(root: Path) -> None:
    """A data set's headings stand in its project file; common words such as 'year' prove nothing and are left out."""
    headings: set[str] = set()
    for file in root.glob("examples/*/project.yaml"):
        if file.parent.name == "sample":
            continue  # the sample's headings are made in code, by its generator
        for feed in yaml.safe_load(file.read_text("utf-8"))["feeds"].values():
            columns = feed["profile"]["columns"]
            headings |= {name for name in columns if not name.islower()}
            headings |= {alias for column in columns.values() for alias in column.get("aliases", [])}
    headings -= {word for words in vocabularies().values() for word in words}  # V1 to V9 are our own codes as well
    assert len(headings) > 50
    found = [
        f"{path.relative_to(root)}: {text}"
        for path, tree in modules(root)
        for text in strings(tree)
        if text in headings and "province" not in path.parts  # the sample sends a finding V12 that is no finding
    ]
    assert found == []
