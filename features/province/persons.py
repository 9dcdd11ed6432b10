"""Identities of many invented persons at once: the same rules as `people`, in arrays.

A number begins with 99, which GB/T 2260 assigns to no province, so that none can belong to anybody although its check
character is right (GB 11643-1999). The seven digits that tell apart persons of one birthday come from the household's
serial number and the person's place in it: five million of each sex share a birthday before two would be alike, and
places of one kind (adults, elders, children) never fill more than that in 1.5 million households.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.province.people import CHECK_CHARACTERS, GIVEN_FIRST, GIVEN_SECOND, STREETS, SURNAMES, WEIGHTS

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
PER_SEX = 5_000_000
ZERO = ord("0")


def _digits(numbers: Integers, width: int) -> NDArray[np.uint8]:
    """Decimal digits of each number, one row for each."""
    places = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    found: NDArray[np.uint8] = ((numbers[:, None] // places) % 10).astype(np.uint8)
    return found


def _texts(characters: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Rows of character codes as byte strings of equal length."""
    width = characters.shape[1]
    return np.ascontiguousarray(characters).view(f"S{width}").ravel()


def identity_numbers(order: Integers, born: NDArray[Any], male: Flags) -> pa.Array:
    """Identity numbers.

    Args:
        order: tells apart persons of one kind, below `PER_SEX`.
        born: days of birth.
        male: whether the last digit but one is odd.
    """
    day = born.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year = day.astype("datetime64[Y]")
    date = (
        (year.astype(np.int64) + 1970) * 10_000
        + ((month - year).astype(np.int64) + 1) * 100
        + (day - month).astype(np.int64)
        + 1
    )
    place = order % PER_SEX
    digits = np.empty((len(order), 17), dtype=np.uint8)
    digits[:, :2] = 9
    digits[:, 2:6] = _digits(place // 500, 4)
    digits[:, 6:14] = _digits(date, 8)
    digits[:, 14:17] = _digits(place % 500 * 2 + male, 3)
    rest = (digits.astype(np.int64) @ np.array(WEIGHTS, dtype=np.int64)) % 11
    check = np.frombuffer(CHECK_CHARACTERS.encode(), dtype=np.uint8)[rest]
    return pa.array(_texts(np.column_stack([digits + ZERO, check]))).cast(pa.string())


def names(seed: Integers) -> pa.Array:
    """Three-character names; what is drawn from `seed` alone."""
    drawn = mixed(seed)
    first = pa.array(list(SURNAMES)).take(pa.array(drawn % len(SURNAMES)))
    second = pa.array(list(GIVEN_FIRST)).take(pa.array(drawn // 64 % len(GIVEN_FIRST)))
    third = pa.array(list(GIVEN_SECOND)).take(pa.array(drawn // 4096 % len(GIVEN_SECOND)))
    return _joined([first, second, third])


def phones(seed: Integers) -> pa.Array:
    """Numbers of eleven digits that begin with 2, as neither mobile numbers nor trunk calls do."""
    digits = np.column_stack([np.full(len(seed), 2, dtype=np.uint8), _digits(mixed(seed) % 10**10, 10)])
    return pa.array(_texts(digits + ZERO)).cast(pa.string())


def addresses(town: pa.Array, seed: Integers) -> pa.Array:
    """Street addresses in a town; streets and numbers are invented."""
    drawn = mixed(seed)
    street = pa.array(list(STREETS)).take(pa.array(drawn % len(STREETS)))
    house = pa.array(200 + drawn // 8 % 799).cast(pa.string())
    room = pa.array(1 + drawn // 8192 % 39).cast(pa.string())
    return _joined([town, street, house, "号", room, "房"])


def mixed(seed: Integers) -> Integers:
    """Well mixed positive numbers (the finaliser of SplitMix64), the same for the same seed everywhere."""
    with np.errstate(over="ignore"):
        z = seed.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(1)).astype(np.int64)


def _joined(parts: list[pa.Array | str]) -> pa.Array:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*parts, "")
