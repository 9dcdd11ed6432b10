"""Every error that Zhouji raises on purpose.

::

    ZhoujiError          exit 1   something we did not foresee but can name
    ├── UsageError       exit 2   the command was called with words it does not know
    ├── ProjectError     exit 2   the project file says something that cannot be
    ├── DataError        exit 3   delivered data failed validation
    ├── GateError        exit 4   a gate said no: freshness, quality, promotion, audit
    ├── DependencyError  exit 5   MLflow, a database or a file system did not answer
    └── NothingToDo      exit 6   asked for what is already so

An error is a code with fields. Its sentences, what happened and how to repair it, stand in zh and en in
`features/words/errors/*.toml`, so that one raise speaks both languages and a test can hold the catalogue against
the code. Fields never carry a person's values; a field that is `Words` speaks the language of the sentence.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources

from rapidfuzz import process

INTERRUPTED = 130


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """All error texts by code: `zh`, `en`, `repair_zh`, `repair_en`."""
    texts: dict[str, Mapping[str, str]] = {}
    folder = resources.files("features") / "words" / "errors"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            texts.update(tomllib.loads(file.read_text(encoding="utf-8")))
    return texts


class ZhoujiError(Exception):
    """An error with a code, fields, and sentences in zh and en."""

    exit_code = 1

    def __init__(self, code: str, /, **fields: object) -> None:
        self.code = code
        self.fields = fields
        super().__init__(self.sentence("en"))

    def sentence(self, language: str = "zh") -> str:
        """What happened, in one sentence."""
        return self._text(language)

    def repair(self, language: str = "zh") -> str:
        """What the reader can do about it, in one sentence."""
        return self._text(f"repair_{language}")

    def _text(self, key: str) -> str:
        texts = catalogue().get(self.code)
        if texts is None:
            return f"{self.code}: {self.fields}" if not key.startswith("repair") else ""
        language = key[-2:]
        fields = {name: value.of(language) if hasattr(value, "of") else value for name, value in self.fields.items()}
        return texts[key].format(**fields)


class UsageError(ZhoujiError):
    """The command was called with words it does not know."""

    exit_code = 2


class ProjectError(ZhoujiError):
    """The project file says something that cannot be."""

    exit_code = 2


class DataError(ZhoujiError):
    """Delivered data failed validation."""

    exit_code = 3


class GateError(ZhoujiError):
    """A gate said no: freshness, quality, promotion, audit."""

    exit_code = 4


class DependencyError(ZhoujiError):
    """MLflow, a database or a file system did not answer."""

    exit_code = 5


class NothingToDo(ZhoujiError):  # noqa: N818 -- not a fault: what was asked for is already so
    """Asked for what is already so."""

    exit_code = 6


def did_you_mean(word: str, known: list[str]) -> str:
    """The known word nearest to `word`, or an empty text when nothing is near.

    >>> did_you_mean("calender", ["calendar", "feeds"])
    'calendar'
    >>> did_you_mean("xyz", ["calendar", "feeds"])
    ''
    """
    found = process.extractOne(word, known, score_cutoff=60)
    return str(found[0]) if found else ""
