"""The Chinese year: how far a day lies from the Spring Festival, around which work, travel and expenses turn.

The dates are the first days of the lunar years after GB/T 33661-2017 (农历的编算和颁行). They were made with the
package lunardate 0.3.0 and agree with the public holidays of the package holidays for 2008 to 2034. A table of facts
that do not change costs a deployment no dependency; a package may replace it behind `spring_festival`.
"""

from __future__ import annotations

from datetime import date

FIRST_YEAR = 1990
_MONTHS_AND_DAYS = """
0127 0215 0204 0123 0210 0131 0219 0207 0128 0216 0205 0124 0212 0201 0122 0209 0129 0218 0207 0126
0214 0203 0123 0210 0131 0219 0208 0128 0216 0205 0125 0212 0201 0122 0210 0129 0217 0206 0126 0213
0203 0123 0211 0131 0219 0208 0128 0215 0204 0124 0212 0201 0122 0210 0130 0217 0206 0126 0214 0202
0123 0211 0201 0219 0208 0128 0215 0204 0124 0212 0202 0121 0209 0129 0217 0205 0126 0214 0203 0123
0211
"""
_MONTH_AND_DAY = tuple(_MONTHS_AND_DAYS.split())


def spring_festival(year: int) -> date:
    """First day of the lunar year that begins in `year`, 1990 to 2070.

    >>> spring_festival(2026)
    datetime.date(2026, 2, 17)

    Raises:
        ValueError: the year is outside the table.
    """
    place = year - FIRST_YEAR
    if not 0 <= place < len(_MONTH_AND_DAY):
        last = FIRST_YEAR + len(_MONTH_AND_DAY) - 1
        raise ValueError(f"the Spring Festival of {year} is not in the table ({FIRST_YEAR} to {last})")
    found = _MONTH_AND_DAY[place]
    return date(year, int(found[:2]), int(found[2:]))


def weeks_from_spring_festival(day: date) -> float:
    """Weeks since the nearest Spring Festival, below zero before it.

    >>> weeks_from_spring_festival(date(2026, 2, 3)), weeks_from_spring_festival(date(2026, 3, 3))
    (-2.0, 2.0)
    """
    near = [(day - spring_festival(year)).days for year in (day.year - 1, day.year, day.year + 1)]
    return min(near, key=abs) / 7
