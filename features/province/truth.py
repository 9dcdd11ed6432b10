"""The hidden truth of a simulated province, kept apart from its deliveries: for benchmarks and tests, and nobody else.

`households.parquet` has what stays (help from kin, remittances, frailty), `months.parquet` what was true of each
household in each month. Nothing below `features.province` may read them (an import contract holds it), and deliveries
are the same with and without them.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UsageError
from features.province.departments.desk import Desk, period
from features.province.living import Month

HOUSEHOLDS, MONTHS = "households.parquet", "months.parquet"


class Truth:
    """Files of hidden truth, open until `close`.

    Raises:
        UsageError: the folder lies where deliveries are taken in from.
    """

    def __init__(self, folder: Path, deliveries: Path) -> None:
        if folder.resolve().is_relative_to(deliveries.resolve()):
            raise UsageError("truth_among_deliveries", folder=folder.name)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def opening(self, desk: Desk) -> None:
        """What stays of a block's households."""
        state = desk.state
        hidden = {"household": desk.roll.code, "county": state.county, "region": state.region, "urban": state.urban}
        self._add(
            HOUSEHOLDS, {**hidden, "kin": state.kin, "remittance": state.remittance, "frailty": state.frailty}
        )  # fmt: skip

    def month(self, desk: Desk, month: Month) -> None:
        """What was true of a block's households in a month."""
        self._add(
            MONTHS,
            {
                "household": desk.roll.code,
                "month": period(month.index, desk.n),
                "onset": month.onset,
                "hardship": month.hardship,
                "exit": month.exit,
                "assisted": month.assisted,
                "savings": month.savings.round(2),
                "income": month.flow.round(2),
                "rigid_cost": month.rigid.round(2),
                "need": month.need.round(2),
            },
        )

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()

    def _add(self, name: str, columns: dict[str, object]) -> None:
        rows = pa.table(columns)
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self.folder / name, rows.schema, compression="zstd")
        self._writers[name].write_table(rows)
