"""Invented persons: names, identity numbers and telephone numbers that cannot belong to anybody.

Identity numbers begin with 99, a province code that GB/T 2260 does not assign, so none can be a real number although
its check character is right (GB 11643-1999). Telephone numbers have the length of a mobile number but begin with 2,
which neither a mobile number (1…) nor a trunk call (0…) does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦"
GIVEN_FIRST = "泽沛颖霁琬煦峤湉翊菡砚骞筠霖昕璟澍衡嵘薇"
GIVEN_SECOND = "珩漪澜槿祺珂鸢稷朔蓁钰荻峥婵枫琮瑄渊柘棠"
STREETS = ("松涛路", "榕荫巷", "望江街", "稻香路", "石桥里", "竹林村道")


@dataclass(frozen=True)
class Identity:
    """What identifies an invented person; goes to the identity vault only."""

    number: str
    name: str
    phone: str


def check_character(number: str) -> str:
    """Check character of the first 17 digits of an identity number (GB 11643-1999).

    >>> check_character("11010519491231002")
    'X'
    """
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def invent_identity(serial: int, born: date, *, male: bool, rng: np.random.Generator) -> Identity:
    """A person's invented identity; `serial` keeps the numbers of a sample apart."""
    order = (serial // 9000) % 500 * 2 + (1 if male else 0)
    body = f"99{1000 + serial % 9000:04d}{born:%Y%m%d}{order:03d}"
    name = "".join(letters[rng.integers(len(letters))] for letters in (SURNAMES, GIVEN_FIRST, GIVEN_SECOND))
    return Identity(body + check_character(body), name, f"2{serial % 100:02d}{rng.integers(10**7, 10**8):08d}")


def invent_birthday(age_years: int, today: date, rng: np.random.Generator) -> date:
    """A birthday that makes a person `age_years` old on `today`."""
    return today - timedelta(days=int(age_years * 365.25 + rng.integers(1, 365)))


def invent_address(town: str, rng: np.random.Generator) -> str:
    """A street address in `town`; streets and numbers are invented."""
    return f"{town}{STREETS[rng.integers(len(STREETS))]}{rng.integers(200, 999)}号{rng.integers(1, 40)}房"
