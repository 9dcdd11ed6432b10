"""What the numbers of observation and of the scenarios are: what departments notice, and what may be different."""

from __future__ import annotations

from features.province.world_values import Row
from features.strict import Sourced, Strict, Words


class Medical(Strict):
    """Settlements: how late, how often outpatient costs are settled, and what lies behind an own payment."""

    lag: Row
    outpatient_settled: float
    outpatient_total: float
    aided_of_covered: float


class CropLoss(Strict):
    """What is estimated of a crop: so many months of farm income, at least so many yuan."""

    months: float
    least: float


class Business(Strict):
    """One household in so many runs a business; its turnover is a multiple of what its owner earns."""

    one_in: int
    turnover: float


class Farms(Strict):
    """Land that is worked, in mu."""

    least_mu: float
    damaged_mu: float


class StudentAid(Strict):
    """Share of the entitled who are aided, and with how much a term."""

    share: float
    amount: float


class Declared(Strict):
    """What a verification shows of income and savings; `bands` are edges in months of need."""

    refreshed: float
    level: float
    noise: float
    revealed: float
    savings_noise: float
    bands: Row


class Verdicts(Strict):
    """What visitors find, as shares of codes; `thin_below` months of need of savings are thin."""

    thin_below: float
    helped: dict[str, float]
    alone: dict[str, float]
    thin: dict[str, float]
    others: dict[str, float]


class Visits(Strict):
    """Monthly chance of a visit, and where need is visible; `onset_error` is of a month early, right, a month late."""

    base: float
    visible: float
    onset_error: tuple[float, float, float]
    score_noise: float
    verdicts: Verdicts


class Observation(Sourced):
    """What departments notice, and how late."""

    lags: dict[str, Row]
    medical: Medical
    least_base: float
    disaster_missed: float
    crop_loss: CropLoss
    business: Business
    farms: Farms
    return_seen: float
    needy_child: float
    student_aid: StudentAid
    admitted_for_onset_months: int
    declared: Declared
    visits: Visits
    without_medical: int
    without_power: int


class Typhoon(Strict):
    """All counties of a region are hit in one month."""

    region: int
    months_before_end: int
    house_damage: float
    work_stops: int


class Factory(Strict):
    """A share of a region's employers close within some months, and all who worked there lose their work."""

    region: int
    months_before_end: int
    months: int
    closes: float


class Outage(Strict):
    """A feed of a region is missing for the last months."""

    feed: str
    region: int
    months: int


class Policy(Strict):
    """The line rises by a factor, and medical aid leaves a smaller share to the household."""

    months_before_end: int
    line: float
    aided_share: float


class Verification(Strict):
    """A new source makes declared income less noisy."""

    months_before_end: int
    noise: float


class TakeUp(Strict):
    """A campaign changes the rate of applications."""

    months_before_end: int
    rate: float


class Scenario(Strict):
    """What is different from the base."""

    title: Words
    typhoon: Typhoon | None = None
    factory: Factory | None = None
    outage: Outage | None = None
    policy: Policy | None = None
    verification: Verification | None = None
    take_up: TakeUp | None = None
