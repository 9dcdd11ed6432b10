"""The numbers of the simulated province, read from `values.yaml` and checked; no number of the world stands in code."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import Field

from features.province.faults_values import Faults
from features.province.observation_values import Observation, Scenario
from features.province.world_values import (
    Assistance,
    Demography,
    Disasters,
    Health,
    Help,
    Living,
    Need,
    People,
    Power,
    School,
    Work,
)
from features.strict import Strict

FILE = Path(__file__).with_name("values.yaml")


class Values(Strict):
    """Everything that the world is a function of, beside its seed."""

    people: People
    need: Need
    work: Work
    health: Health
    demography: Demography
    school: School
    disasters: Disasters
    living: Living
    assistance: Assistance
    help: Help
    power: Power
    observation: Observation
    faults: Faults
    scenarios: Mapping[str, Scenario] = Field(default_factory=dict)


@functools.cache
def values(path: Path = FILE) -> Values:
    """The values of a file; the frozen ones by default."""
    return Values.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
