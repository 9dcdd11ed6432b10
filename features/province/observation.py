"""All departments that look on a block: late, in part, not always rightly, each in its own columns and codes.

Lags and shares are the domain reference's (D4.3); they stand in `observation` of `values.yaml`. Nothing of the hidden
state reaches a row but through what a department could have seen: a bill, a payment, a form, a meter, a visit.
"""

from __future__ import annotations

import numpy as np

from features.province.departments.agriculture import Agriculture
from features.province.departments.assistance import CivilAffairs, Education, Verification, Villages
from features.province.departments.care import Allowances, Enrolment, Health
from features.province.departments.coordination import Coordination
from features.province.departments.desk import Add, Desk
from features.province.departments.medical import Medical
from features.province.departments.pensions import Pensions
from features.province.departments.registers import CivilRegisters, DisabledFederation, Disasters, Police, PowerCompany
from features.province.departments.work import Businesses, HumanResources
from features.province.faults import Faults
from features.province.living import Month
from features.province.world import Block, Province


class Observer:
    """The departments that look on one block, in the order in which they write."""

    def __init__(self, province: Province, block: Block, add: Add, faults: Faults) -> None:
        self.block = block
        self.desk = Desk(province, block, add, faults)
        coordination = Coordination(self.desk)
        self.police, self.disasters = Police(self.desk), Disasters(self.desk)
        self.people, self.civil_affairs = HumanResources(self.desk), CivilAffairs(self.desk)
        self.enrolment = Enrolment(self.desk)
        self.departments = (
            Medical(self.desk, coordination.corrected),
            self.people,
            Pensions(self.desk, coordination.corrected),
            PowerCompany(self.desk),
            self.police,
            CivilRegisters(self.desk),
            DisabledFederation(self.desk),
            self.disasters,
            Businesses(self.desk),
            Agriculture(self.desk),
            Verification(self.desk),
            self.civil_affairs,
            Education(self.desk),
            self.enrolment,
            Health(self.desk),
            Allowances(self.desk),
            Villages(self.desk, coordination),
        )

    @property
    def employed(self) -> np.ndarray:
        """Months × (insured, left) × employers of this block's households."""
        return self.people.employed

    def opening(self) -> None:
        """Registers as they stood before the first month."""
        for department in (self.police, self.disasters, self.civil_affairs, self.enrolment):
            department.opening()

    def month(self, month: Month) -> None:
        """Everything that is noticed of a month."""
        self.police.members(month)
        self.desk.onset_month = np.where(month.onset, month.index, self.desk.onset_month)
        for department in self.departments:
            department.month(month)
