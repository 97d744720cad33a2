"""Where everything lies below the work folder. Every path of the pipeline is made here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Day = dt.date


@dataclass(frozen=True)
class Workspace:
    """The folders of one shop. `raw` and `clean` hold one Parquet file per table and UTC day of the row's cursor."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def clean(self) -> Path:
        return self.root / "clean"

    @property
    def quarantine(self) -> Path:
        """Rows that wait for an item or an order, or break a contract; one file per table and day that has some."""
        return self.root / "quarantine"

    @property
    def damaged(self) -> Path:
        """Files of `raw` and `clean` that were not what the ledger knows, as they were found; the newest of each."""
        return self.root / "damaged"

    @property
    def ledger(self) -> Path:
        """SQLite: watermarks and one row per table and extraction."""
        return self.root / "ledger.db"

    @property
    def demo_shop(self) -> Path:
        return self.root / "demo" / "shop.db"

    @property
    def demo_matomo(self) -> Path:
        """The simulated storefront's Matomo database."""
        return self.root / "demo" / "matomo.db"

    @property
    def demo_truth(self) -> Path:
        """What is true of the simulated storefront."""
        return self.root / "demo" / "truth.json"

    @property
    def online_store(self) -> Path:
        return self.root / "feature_store.db"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def receipts(self) -> Path:
        """What `vitrine forget` did, one file a user, under a digest."""
        return self.root / "receipts"

    @property
    def audits(self) -> Path:
        """What audits last found, one file each; the gate reads it."""
        return self.root / "audits"

    @property
    def exposures(self) -> Path:
        """What serving showed: `day=…/*.parquet`, days in UTC."""
        return self.root / "exposures"

    @property
    def spill(self) -> Path:
        """What does not fit into memory while it is computed."""
        return self.root / "spill"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    def partition(self, layer: Path, table: str, day: Day) -> Path:
        """The file of one table and day in `raw` or `clean`."""
        return layer / table / f"day={day}" / "part.parquet"

    def features(self, day: Day) -> Path:
        """The snapshot of the end of `day`."""
        return self.root / "features" / f"day={day}"

    @property
    def rollups(self) -> Path:
        """The past before some Mondays, from which snapshots go on."""
        return self.root / "rollups"

    def train(self, day: Day) -> Path:
        """The ranker trained by the run of `day`."""
        return self.root / "train" / f"day={day}"

    def recall(self, day: Day) -> Path:
        """The recall indexes fitted on everything up to the end of `day`."""
        return self.root / "recall" / f"day={day}"

    def evaluation(self, day: Day) -> Path:
        return self.root / "evaluation" / f"day={day}"

    def reports(self, day: Day) -> Path:
        """What a person reads about the run of `day`."""
        return self.root / "reports" / f"day={day}"


def partition_days(layer: Path, table: str) -> list[Day]:
    """The days for which `layer` (raw or clean) holds a partition of `table`, ascending."""
    return sorted(
        dt.date.fromisoformat(folder.name.removeprefix("day="))
        for folder in (layer / table).glob("day=*")
        if (folder / "part.parquet").exists()
    )
