"""Pages of rows that go on from a place instead of a number: any depth costs what the first page costs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import and_, not_, or_

from features.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows in order, and where to go on; `next` is None at the end."""

    rows: tuple[T, ...]
    next: str | None


def moment(text: Any) -> datetime:
    """A moment of a place."""
    return datetime.fromisoformat(text).astimezone(UTC)


def place(mark: datetime | int, identifier: str) -> str:
    """The place of a row: what it is ordered by, and its id.

    >>> place(7, "a")
    'WzcsICJhIl0'
    """
    said = mark.isoformat() if isinstance(mark, datetime) else mark
    return base64.urlsafe_b64encode(json.dumps([said, identifier]).encode()).decode().rstrip("=")


def beyond(first: Any, identifier: Any, after: str, read: Callable[[Any], Any] = moment) -> Any:
    """Rows beyond a place, written so that the index's range begins there.

    Args:
        first: column that rows are ordered by.
        identifier: column of ids, by which they are ordered then.
        after: the place.
        read: turns a place's mark into the column's type.

    Raises:
        UsageError: it is no place.
    """
    try:
        mark, last = json.loads(base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True))
        at, last = read(mark), str(last)
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError, OverflowError) as error:
        raise UsageError("case_place_unreadable") from error
    return and_(first >= at, not_(and_(first == at, or_(identifier < last, identifier == last))))
