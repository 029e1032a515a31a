"""The sets of real leads, what their columns are, and what the learner has to reach on them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pyarrow.parquet import read_table

from services.scoring.learning.evaluate_command import Columns
from services.scoring.learning.evaluation import Options
from services.scoring.learning.files import read_rows
from services.scoring.learning.sheet import PLACEHOLDERS, Row
from shared.kit.documents import read_yaml

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MAPPINGS = Path(__file__).resolve().parents[1] / "mappings" / "evaluation"

LEADFORGE = "synthetic_leadforge/dev_seed42/tasks/converted_within_90_days"


class Limits(NamedTuple):
    """At least so good, and so much better than naive Bayes; off by so much at most."""

    auc: float
    ahead: float
    ece: float


class RealSet(NamedTuple):
    """A set of leads whose outcome is known."""

    name: str
    files: tuple[str, ...]
    limits: Limits
    in_time: bool = False

    @property
    def missing(self) -> str | None:
        """Why it cannot be read here, None where it can."""
        if not all((DATA / file).exists() for file in self.files):
            return "the real data is not here: ../shared/data is absent"
        return None

    def columns(self) -> Columns:
        """What its columns are."""
        return read_yaml(MAPPINGS / f"{self.name}.yaml", Columns)

    def options(self, *, folds: int = 5, seeds: int = 5) -> Options:
        """How it is evaluated."""
        columns = self.columns()
        return Options(
            leave_out=columns.leave_out,
            keep=columns.keep,
            time=columns.time if self.in_time else None,
            placeholders=PLACEHOLDERS | set(columns.missing),
            folds=folds,
            seeds=seeds,
        )

    def rows(self) -> list[Row]:
        """Every lead of it."""
        return [row for file in self.files for row in _read(DATA / file)]


def _read(path: Path) -> list[Row]:
    if path.suffix != ".parquet":
        return read_rows(path)
    rows: list[Row] = read_table(path).to_pylist()
    return rows


XEDUCATION = RealSet("xeducation_leads", ("xeducation_leads/train.csv",), Limits(auc=0.875, ahead=0.03, ece=0.02))
SHOPPERS = RealSet(
    "online_shoppers", ("online_shoppers/online_shoppers_intention.csv",), Limits(auc=0.78, ahead=0.03, ece=0.02)
)
FORGED = RealSet(
    "synthetic_leadforge",
    tuple(f"{LEADFORGE}/{part}.parquet" for part in ("train", "valid", "test")),
    Limits(auc=0.58, ahead=-0.03, ece=0.05),  # next to no signal: its makers' own models have 0.62 to 0.64
    in_time=True,
)
SETS = (XEDUCATION, SHOPPERS, FORGED)
