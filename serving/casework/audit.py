"""The audit log's chain: each line holds the digest of the one before, under a key that the database does not have.

A line's digest is HMAC-SHA256 over its own content and the digest before it. Whoever changes, removes or reorders a
line without the key breaks the chain at that place. Whoever cuts the end off is found out by two witnesses outside the
database: the head that every writer notes in the home after its transaction, and the daily digest, signed with an
Ed25519 key of the home, which anybody with the public key can check. Nothing here knows a database; lines come and go
as `Line`s, and `serving/casework/keeping.py` stores them in the transaction of what they tell.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KINDS = (
    "decision", "draft", "view", "reveal", "export", "refused", "opened_week", "assignment", "worker", "resource",
    "request", "erasure", "delivery", "unsealed", "clock", "account",
    "amendment",
)  # fmt: skip
"""What can be in the log. A view is an entry too: who looked at whom is what people ask later."""
START = ""


@dataclass(frozen=True)
class Line:
    """One line.

    `detail` is canonical JSON: codes and ids, no names or numbers of households' persons; free text only where staff
    say why.
    """

    seq: int
    at: datetime
    account: str
    role: str
    area_code: str
    kind: str
    subject: str
    detail: str
    previous: str
    digest: str = ""

    def sealed(self, key: bytes) -> Line:
        """The line with its digest."""
        return Line(**{**self.__dict__, "digest": digest(self, key)})

    def plain(self) -> dict[str, Any]:
        """For export."""
        return {**self.__dict__, "at": moment(self.at), "detail": json.loads(self.detail)}


@dataclass(frozen=True)
class Head:
    """Where the log ends."""

    seq: int = 0
    digest: str = START


@dataclass(frozen=True)
class SignedDay:
    """A day's part of the log: first and last line, the last one's digest, the day before's digest, signed."""

    day: date
    first: int
    last: int
    digest: str
    previous: str
    signature: str = ""

    def message(self) -> bytes:
        """What is signed."""
        return f"{self.day}|{self.first}|{self.last}|{self.digest}|{self.previous}".encode()

    def signed(self, key: Ed25519PrivateKey) -> SignedDay:
        """The day with its signature."""
        return SignedDay(**{**self.__dict__, "signature": key.sign(self.message()).hex()})

    def holds(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is of this key and content."""
        try:
            key.verify(bytes.fromhex(self.signature), self.message())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Fault:
    """Where the log does not hold, and how: changed, missing, order, truncated, signature, day."""

    seq: int
    what: str


@dataclass(frozen=True)
class Verified:
    """What became of a look at the whole log.

    Attributes:
        faults: every place that does not hold, in order; the first is where to begin looking.
    """

    lines: int
    days: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.faults


def moment(at: datetime) -> str:
    """A moment as it stands in digests.

    >>> moment(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(detail: Mapping[str, Any]) -> str:
    """Detail as one text, always the same for the same content."""
    return json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def digest(line: Line, key: bytes) -> str:
    """A line's digest: its content and the digest before it, framed by JSON so that no field runs into another."""
    content = [
        line.seq, moment(line.at), line.account, line.role, line.area_code, line.kind, line.subject, line.detail,
        line.previous,
    ]  # fmt: skip
    return hmac.digest(key, json.dumps(content, ensure_ascii=False).encode(), hashlib.sha256).hex()


def follow(head: Head, line: Line, key: bytes) -> Line:
    """The line as the next one of the log."""
    return Line(**{**line.__dict__, "seq": head.seq + 1, "previous": head.digest}).sealed(key)


def verify(
    lines: Iterable[Line],
    days: Sequence[SignedDay],
    *,
    key: bytes,
    public: Ed25519PublicKey,
    head: Head,
    witness: Head,
) -> Verified:
    """Hold a whole log against its digests, its signed days, its head, and the head that was noted outside.

    Args:
        lines: all lines in the order of their numbers.
        days: all signed days in order.
        key: of the digests.
        public: of the signatures.
        head: as the database says.
        witness: as the home says; the log may have gone on since, never less.
    """
    faults: list[Fault] = []
    wanted = {day.last: day for day in days}
    before, count = Head(), 0
    for line in lines:
        count += 1
        if line.seq != before.seq + 1:
            faults.append(Fault(before.seq + 1, "missing" if line.seq > before.seq + 1 else "order"))
        if line.previous != before.digest and line.seq == before.seq + 1:
            faults.append(Fault(line.seq, "order"))
        if not hmac.compare_digest(digest(line, key), line.digest):
            faults.append(Fault(line.seq, "changed"))
        day = wanted.pop(line.seq, None)
        if day is not None and day.digest != line.digest:
            faults.append(Fault(line.seq, "changed"))
        if line.seq == witness.seq and line.digest != witness.digest:
            faults.append(Fault(line.seq, "changed"))
        before = Head(line.seq, line.digest)
    if before.seq < max(head.seq, witness.seq) or wanted:
        faults.append(Fault(before.seq + 1, "truncated"))
    elif before != head:
        faults.append(Fault(before.seq, "changed"))
    faults += list(_verify_days(days, public))
    return Verified(count, len(days), tuple(sorted(set(faults), key=lambda fault: (fault.seq, fault.what))))


def _verify_days(days: Sequence[SignedDay], public: Ed25519PublicKey) -> Iterator[Fault]:
    """Each day follows the one before and is signed."""
    before: SignedDay | None = None
    for day in days:
        if not day.holds(public):
            yield Fault(day.last, "signature")
        follows = (before.last + 1, before.digest) if before else (1, START)
        if (day.first, day.previous) != follows:
            yield Fault(day.first, "day")
        before = day
