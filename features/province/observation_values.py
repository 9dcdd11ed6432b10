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


class Enrolment(Sourced):
    """Share of those who are not insured through work and are missing from the roster of a year."""

    uninsured: float
    uninsured_assisted: float


class Allowances(Sourced):
    """The two allowances, yuan a month; who was never put on the list, and how often a payment fails."""

    living: float
    care: float
    care_grade: int
    never_listed: float
    unpaid: float


class Care(Sourced):
    """Share of elders of severe grades, and of those who fall seriously ill, who are assessed as dependent on care."""

    worst_grade: int
    disabled: float
    ill: float


class EmergencyAid(Sourced):
    """Share of the stays of households in debt that the fund helps to pay, and how much of the own payment."""

    share: float
    covers: float


class Pensions(Sourced):
    """Monthly chance that a pension is suspended for want of a proof of life, and for how many months."""

    suspended: float
    months: int


class FarmStops(Sourced):
    """Share of farms that stop after a storm, and of those without an adult in a month; for how many months."""

    after_storm: float
    without_adults: float
    months: int


class Referrals(Sourced):
    """Share of confirmed needs passed on; days to answer, how often and how much later, how often never."""

    sent: float
    due_days: int
    late: float
    late_days: int
    never: float
    answers: dict[str, float]


class Issues(Sourced):
    """Share of visits that refute the data, and of rows in a wrong unit that were corrected, entered as an issue."""

    of_visits: float
    of_units: float


class Prices(Sourced):
    """Consumer prices against the year before (100): a wave about a mean, highest in a month, of so many months."""

    mean: float
    swing: float
    highest: str
    months: float


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
    enrolment: Enrolment
    allowances: Allowances
    care: Care
    emergency_aid: EmergencyAid
    pensions: Pensions
    farm_stops: FarmStops
    referrals: Referrals
    issues: Issues
    prices: Prices


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
