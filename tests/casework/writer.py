"""Writes cases until it is killed: `python -m tests.casework.writer URL FOLDER SEED`."""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from pathlib import Path

from features.errors import ZhoujiError
from serving.casework.actor import Actor
from serving.casework.alerts import discover, open_week
from serving.casework.database import Database
from serving.casework.workflow import allowed
from tests.casework.desks import Clock, household, listed, make_desk
from tests.casework.made import COUNTY, MONDAY, RULES, TOWN, VILLAGE, VILLAGE_AREA
from tests.casework.walks import some_action


def main(url: str, folder: str, seed: int) -> None:
    luck = random.Random(seed)
    clock = Clock(MONDAY + timedelta(days=seed))
    desk = make_desk(Database(url), Path(folder), clock)
    print("ready", flush=True)
    run = listed(4, first=seed * 1000, run_id=f"run{seed}", as_of=RULES.day(clock.at) - timedelta(days=1))
    open_week(desk, run)  # type: ignore[arg-type]
    ids = [line.case_id for line in desk.page(TOWN, limit=200).rows]
    for number in range(10_000):
        clock.on(minutes=1)
        by = luck.choice([TOWN, COUNTY, VILLAGE])
        case_id = luck.choice(ids)
        try:
            if number % 10 == 9:
                ids.append(
                    discover(desk, TOWN, household(seed * 1000 + 100 + number), VILLAGE_AREA, "discovery").case_id
                )
                continue
            case = desk.view(TOWN, case_id).case
            may = allowed(case, by.role)
            if may and (kind := luck.choice(may)) not in ("reopen", "tick", "signal"):
                desk.act(
                    some_action(luck, case, kind, Actor(**by.model_dump()), clock.at, seed * 100_000 + number),
                    case_id,
                    case.version,
                )
        except ZhoujiError:
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
