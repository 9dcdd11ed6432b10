"""A delivery's headings, and what a container hands over row by row.

A heading that the profile does not know is never repeated in a message: in a file without a header line it would
be somebody's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from features.errors import DataError
from features.feeds.profiles import Column, Profile

LINE = "__line"
FULL_WIDTH = "０１２３４５６７８９．，－／：　"
HALF_WIDTH = "0123456789.,-/: "


@dataclass(frozen=True)
class Broken:
    """A line that is no row: where, why, and what stood there, by heading where there are cells.

    Undecodable bytes are escaped. Under an empty heading stands the whole line where it has no cells; the heading is
    there for every broken line, which tells it from a row whose values were judged.
    """

    line: int
    rule: str
    original: Mapping[str, str | None]


def broken_row(line: int, rule: str, cells: Mapping[str, str | None]) -> Broken:
    """A broken line that has cells."""
    return Broken(line, rule, {"": "", **cells})


Row = tuple[int, Sequence[str | None]]
"""Line number and cells, in the order of the headings."""

Rows = Iterator[Row | Broken]


def whole_line(line: int, rule: str, text: str) -> Broken:
    """A broken line of which only its text is known."""
    return Broken(line, rule, {"": text})


def heading_of(name: str, column: Column, headings: Iterable[str]) -> str | None:
    """The delivery's heading for a profile column: its name, an alias, or the same with other spaces and case."""
    found = {heading: heading for heading in headings}
    found |= {_fold(heading): heading for heading in reversed(found)}
    wanted = [name, *column.aliases]
    return next((found[word] for word in [*wanted, *map(_fold, wanted)] if word in found), None)


def _fold(text: str) -> str:
    return re.sub(r"\s+", "", text.translate(str.maketrans(FULL_WIDTH, HALF_WIDTH))).casefold()


def known(profile: Profile, heading: str) -> bool:
    """Whether the profile has a column for this heading."""
    return any(
        heading_of(name, column, [heading]) or (column.parts and re.fullmatch(column.parts, heading))
        for name, column in profile.columns.items()
    )


def named(cells: Sequence[str | None], profile: Profile, file: str) -> list[str]:
    """Headings of a header line, each once; a column without one is named by its position.

    Raises:
        DataError: the line is no header of this feed, or a column of the profile stands in it twice.
    """
    texts = [(cell or "").replace("\ufeff", "").strip() for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        raise DataError("delivery_empty", file=file)
    seen = {LINE.casefold()}
    headings = []
    twice = []
    for at, text in enumerate(texts, 1):
        heading = text or f"（第{at}列）"
        if heading.casefold() in seen:
            if known(profile, heading):
                twice.append(heading)
            heading = f"{heading}（第{at}列）"
        seen.add(heading.casefold())
        headings.append(heading)
    if twice:
        raise DataError("header_twice", file=file, columns=", ".join(twice))
    if not any(known(profile, heading) for heading in headings):
        raise DataError("header_unknown", file=file)
    return headings
