"""Every choice in one frozen object, passed as an argument; `pipeline/configuration.py` says where values come from."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from feature_store.days import end_of_day
from feature_store.engine import EngineName  # noqa: TC001 - pydantic reads it
from feature_store.schema import EVENT_KINDS
from pipeline.evaluation.choices import Gate
from pipeline.quality.choices import Quality
from pipeline.recommender.ranker.choices import TARGETS, TrainingChoices
from pipeline.workspace import Workspace


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key if name != "UTC" else name
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("a time zone of the IANA database, like Europe/Berlin") from error


ZoneName = Annotated[str, AfterValidator(_known_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compute(_Section):
    """What one stage may take of the machine."""

    threads: int = Field(2, ge=1)
    memory_limit: str = "1GB"
    """The engine's own; it spills to disk above it."""
    engine: EngineName = "duckdb"
    """What computes the stored features: DuckDB in the process, or Spark (extra `spark`, Java 17)."""
    spark_master: str = "local[2]"
    """Where Spark runs: `local[cores]`, `spark://host:7077`, `yarn`; executors must see the work folder."""
    stale_days: int = Field(7, ge=0)
    """Days before a run's own whose snapshots it makes again when something of theirs was told since."""


class Extract(_Section):
    """How the shop's database is read."""

    page_rows: int = Field(50_000, ge=1)
    """Rows asked for at a time; a connection that dies costs one page."""
    text_pages: bool = True
    """MySQL writes pages as text, which is many times faster; off: row by row, as other databases are read."""
    attempts: int = Field(6, ge=0)
    """How often a lost connection is opened again for the same page."""
    retry_seconds: float = Field(0.5, ge=0)
    """Before the first of them; twice as long before each further one."""
    lock_wait_seconds: int = Field(60, ge=1)
    """For a table that somebody has locked."""
    connect_seconds: int = Field(10, ge=1)
    """For a server to take a connection and greet; `?connect_timeout=` in the URL of a database goes first."""
    answer_seconds: int = Field(300, ge=1)
    """For the next bytes of an answer, beside the wait for a lock: a server that is silent for longer counts as lost.
    The slowest question must be answered in it; `?read_timeout=` in the URL goes first."""
    lag_minutes: int = Field(10, ge=0)
    """Read again behind the watermark, for rows committed late; a table of the mapping may have its own."""
    reconcile_every: int = Field(7, ge=0)
    """Runs after which archive and source are compared whole; 0: only by `vitrine reconcile`."""
    reconcile: Literal["keys", "rows"] = "rows"
    """What is compared: keys and cursors, which is less to read, or everything, which also finds changes that
    left the cursor as it was."""
    binlog_keys: int = Field(500_000, ge=1)
    """Changed rows of one table that are followed one by one; more are found by comparing the table whole."""


class Clean(_Section):
    """Facts of the shop that cleaning must know."""

    excluded_departments: tuple[str, ...] = ()
    """Departments whose lines are no articles (fuel, coupons, fees)."""
    cancelled_statuses: tuple[str, ...] = ("cancelled", "canceled")
    """Order statuses, in lower case, whose lines were not bought after all."""
    internal_users: tuple[str, ...] = ()
    """Ids of the shop's own people and test accounts."""
    internal_segments: tuple[str, ...] = ()
    """Values of `users.segment` that mean the same of everybody in them."""
    unknown_users: Literal["quarantine", "keep"] = "quarantine"
    """Events of users that the `users` table lacks: they wait until the user arrives, or they count all the same."""
    robot_orders_per_day: int = Field(100, ge=1)
    """More orders of one user in one day are a machine's, or the till's own account; the demo's busiest has 9."""
    robot_lines_per_day: int = Field(2000, ge=1)
    """The same for order lines; the demo's busiest has 183."""
    largest_quantity: float = Field(1e6, gt=0)
    """More pieces in one line are no order but a slip."""
    largest_money: float = Field(1e6, gt=0)
    """The same for a line's money and for a price."""
    clip_share: float = Field(0.001, ge=0, lt=0.5)
    """Share of a category's lines that is moved to its bound, at either end; 0 moves nothing."""
    clip_days: int = Field(91, ge=1)
    """Days before a month whose lines give the month's bounds."""
    clip_min_lines: int = Field(200, ge=1)
    """A category with fewer lines in those days has the whole shop's bounds; a shop with fewer has none."""


class Evaluation(_Section):
    """How a release is judged."""

    holdout: Literal["following", "preceding"] = "preceding"
    """`following`: train up to the day, judge on the days after it (back-tests, the demo).
    `preceding`: train up to a horizon before the day, judge on the days up to it (live: there is no future yet)."""
    horizon_days: int = Field(7, ge=1)
    list_size: int = Field(20, ge=1)
    baselines: bool = True
    segments: tuple[str, ...] = ("segment",)
    """Columns of `users` by whose values a release is judged apart."""
    attribution_hours: float = Field(24, gt=0)
    """A purchase within so many hours after a click belongs to it; the same for a cart after an impression."""
    business_days: int = Field(28, ge=1)
    """Days up to the run's own of whose recommendation slots the report tells."""


class Audits(_Section):
    """What is asked of features in every run."""

    trusted: tuple[str, ...] = ()
    """Features that may tell the label as well as only a leak does, because somebody looked and knows why. One that
    changes with the future is never trusted."""


class OnlineHistory(_Section):
    """Latest events of each kind kept per user online; training and evaluation look no further back either.

    An event takes 21 bytes, so nobody takes more than 21 x the sum of these: 90 kB as shipped, and the vector.
    """

    purchase: int = Field(3000, ge=0)
    """Of 2,469 households of The Complete Journey 14 have more in 2017, the busiest 4,193, the median 407."""
    cart: int = Field(200, ge=0)
    view: int = Field(500, ge=0)
    click: int = Field(300, ge=0)
    impression: int = Field(300, ge=0)
    """Only of the latest visits: they are many, and say little."""

    def bounds(self) -> dict[str, int]:
        """Kind -> events, as `History.latest` takes them."""
        return {kind: getattr(self, kind) for kind in EVENT_KINDS}


class Exposures(_Section):
    """The log of what was shown: from it one learns what a list earned, and whether serving and training agree."""

    enabled: bool = True
    folder: Path | None = None
    """None: `exposures` in the work folder."""
    vector_share: float = Field(0.01, ge=0, le=1)
    """Share of the requests whose feature vectors are kept, with what is needed to compute them again: a list of 20
    takes about 10 kB, any other 0.3 kB. `vitrine audit skew` wants some hundred lists a day."""
    queue: int = Field(10_000, ge=1)
    """Requests that wait to be written; of more the log knows only how many there were."""
    flush_seconds: float = Field(30, gt=0)
    """What a killed process may lose, and how long somebody just forgotten may still appear."""
    largest_skew: float = Field(0.0, ge=0, le=1)
    """Share of differing values of a feature above which `vitrine audit skew` fails."""


class Serving(_Section):
    """The HTTP layer."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0)
    clock: Literal["now", "snapshot"] = "now"
    """`snapshot`: the moment of asking is the end of the release's day, for demo data that ended years ago."""
    reload_url: str | None = None
    """Where a run tells serving to reload; none: nobody is told."""
    workers: int = Field(1, ge=1)
    """Processes that share the port."""
    online_timeout_ms: int = Field(50, ge=1)


class Logging(_Section):
    format: Literal["console", "json"] = "console"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class RecallQuota(_Section):
    """How many candidates a recall source may offer to a scene, and what its word counts."""

    quota: int = Field(ge=1)
    weight: float = Field(1.0, gt=0)
    """Against the other sources, where the scene ranks fewer than they offer (`most_ranked`)."""


class Explore(_Section):
    """Some lists of a scene begin in random order, so that the log can tell what another release would have earned."""

    share: float = Field(gt=0, le=1)
    """Of the requests."""
    candidates: int = Field(ge=2)
    """So many of the first: each is as likely in each of their places. More than the list is long lets in what would
    have come after it."""


class Scene(_Section):
    """One place in the shop where a list is shown."""

    recall: dict[str, RecallQuota]
    most_ranked: int | None = Field(None, ge=1)
    """Candidates that are ranked at most, those that heavy sources place high: bounds what a request takes. None: all
    that the sources offer."""
    exclude_bought: bool = False
    """Leave out what the user has bought (shops where nobody buys the same thing twice)."""
    max_per_category: int | None = None
    explore: Explore | None = None
    """None: everybody sees the best list."""
    worth: dict[str, float] = {}
    """What each target counts in a score of `training.ranker: multitask` (`gmv`: one unit of money); of other rankers
    nothing changes. None: only the purchase."""

    @field_validator("worth")
    @classmethod
    def _known_targets(cls, worth: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(worth) - set(TARGETS)):
            raise ValueError(f"targets among {', '.join(TARGETS)}; found {', '.join(unknown)}")
        return worth


class Settings(BaseSettings):
    """Everything a run can be told. Made by `load_settings`; by itself it reads nothing."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic-settings' own
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `layers` decides where values come from."""
        return (init_settings,)

    work_dir: Path = Path("work")
    database_url: SecretStr | None = None
    """SQLAlchemy URL of the business database; none: the demo shop in the work folder."""
    matomo_database_url: SecretStr | None = None
    """SQLAlchemy URL of Matomo's database; none: the demo's storefront where it was made, else no Matomo."""
    online_store_url: SecretStr | None = None
    """redis://…; none: the SQLite file in the work folder."""
    mlflow_url: str | None = None
    """MLflow tracking and registry; none: the SQLite file in the work folder."""
    releases_dir: Path | None = None
    """None: `releases` in the work folder."""
    releases_url: str | None = None
    """oss:// or s3://bucket/prefix to which each release is copied; none: nowhere."""
    archive_url: str | None = None
    """oss:// or s3://bucket/prefix to which the raw and the clean archive are copied; none: nowhere."""
    source: Path = Path("sources/demo.yaml")
    """Mapping of the business database, below the config folder or absolute."""
    matomo_source: Path = Path("sources/matomo.yaml")
    """Mapping of Matomo's database, below the config folder or absolute."""
    timezone: ZoneName = "UTC"
    """Of the shop's clock (`Europe/Berlin`): where a day ends, its hour, its weekday. Partitions are UTC days."""
    day: dt.date | None = None
    """The day of a run that names none."""
    seed: int = 0
    online_prefix: str = "vitrine"
    online_history: OnlineHistory = OnlineHistory()
    online_memory_budget_mb: float | None = Field(None, gt=0)
    """Most that one version may take in Redis, in millions of bytes; after a sync two stand side by side for an hour.
    Who did something last is in it; the others are left out, counted (`vitrine_online_users_left_out`), and
    served by the defaults and what they do since. None: everybody. What does not fit into Redis' own `maxmemory` is
    refused before anything is written."""
    forget_release_days: int = Field(30, ge=0)
    """Days after which a release that holds the row of a forgotten user is removed; until then one can roll back."""
    lock_wait_seconds: float = Field(0, ge=0)
    compute: Compute = Compute()
    extract: Extract = Extract()
    clean: Clean = Clean()
    quality: Quality = Quality()
    """`config/quality.yaml`."""
    gate: Gate = Gate()
    """`config/gate.yaml`."""
    evaluation: Evaluation = Evaluation()
    audits: Audits = Audits()
    training: TrainingChoices = TrainingChoices()
    serving: Serving = Serving()
    exposures: Exposures = Exposures()
    log: Logging = Logging()
    scenes: dict[str, Scene] = {}
    """`config/scenes.yaml`."""
    recall: dict[str, dict[str, Any]] = {}
    """Recall source -> what differs from its own defaults (`itemcf: {similarity: bm25}`); each is described in the
    source's file in `pipeline/recommender/recall/`."""

    @property
    def recall_sources(self) -> tuple[str, ...]:
        """The sources that some scene asks, in alphabetical order; no other costs anything."""
        return tuple(sorted({name for scene in self.scenes.values() for name in scene.recall}))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.work_dir)

    @property
    def releases(self) -> Path:
        return self.releases_dir or self.workspace.releases

    @property
    def exposures_folder(self) -> Path:
        return self.exposures.folder or self.workspace.exposures

    def staging(self, day: dt.date) -> Path:
        """Where the release of `day` is put together: beside the others, so that it can be renamed to one of them."""
        return self.releases / f".staging-{day}"

    @property
    def online_url(self) -> str:
        """Where the online store is; holds a password in production, so never log it."""
        if self.online_store_url is not None:
            return self.online_store_url.get_secret_value()
        return self.online_file_url

    @property
    def online_file_url(self) -> str:
        """The SQLite file in the work folder: the online store, or its fallback."""
        return f"sqlite:///{self.workspace.online_store}"

    @property
    def mlflow_uri(self) -> str:
        """MLflow tracking and registry."""
        return self.mlflow_url or f"sqlite:///{self.workspace.mlflow}"

    def end_of(self, day: dt.date) -> int:
        """The moment a day of the shop ends, seconds since 1970 UTC."""
        return end_of_day(day, self.timezone)

    @property
    def horizon(self) -> dt.timedelta:
        return dt.timedelta(days=self.evaluation.horizon_days)

    def cut(self, day: dt.date) -> dt.date:
        """The last day that a ranker trained by the run of `day` may see."""
        return day if self.evaluation.holdout == "following" else day - self.horizon

    def last_judged(self, day: dt.date) -> dt.date:
        """The last day whose events the run of `day` reads, for judging only when it lies after `day`."""
        return self.cut(day) + self.horizon
