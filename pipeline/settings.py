"""Every choice in one frozen object, read once at the entry and passed as an argument.

Layers, the later wins: defaults below, `config/settings.yaml`, overlays named by `VITRINE_CONFIG` (comma separated),
`VITRINE_` environment variables (`__` between levels), arguments. Unknown keys are errors.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from pipeline.errors import SettingsError
from pipeline.quality.choices import Quality
from pipeline.workspace import Workspace

PREFIX = "VITRINE_"
CONFIG_FOLDER = Path(__file__).resolve().parent.parent / "config"
"""The repository's own config folder; `VITRINE_CONFIG_FOLDER` names another."""
NO_SETTINGS = ("config", "config_folder")
"""Variables that say where settings lie, and are none themselves."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compute(_Section):
    """What one stage may take of the machine."""

    threads: int = Field(2, ge=1)
    memory_limit: str = "1GB"
    """DuckDB's own; it spills to disk above it."""


class Extract(_Section):
    """How the shop's database is read."""

    page_rows: int = Field(20_000, ge=1)
    """Rows asked for at a time; a connection that dies costs one page."""
    text_pages: bool = True
    """MySQL writes pages as text, which is many times faster; off: row by row, as other databases are read."""
    attempts: int = Field(6, ge=0)
    """How often a lost connection is opened again for the same page."""
    retry_seconds: float = Field(0.5, ge=0)
    """Before the first of them; twice as long before each further one."""
    lock_wait_seconds: int = Field(60, ge=1)
    """For a table that somebody has locked."""
    lag_minutes: int = Field(10, ge=0)
    """Read again behind the watermark, for rows committed late; a table of the mapping may have its own."""
    reconcile_every: int = Field(7, ge=0)
    """Runs after which archive and source are compared whole; 0: only by `vitrine reconcile`."""
    reconcile: Literal["keys", "rows"] = "rows"
    """What is compared: keys and cursors, which is less to read, or everything, which also finds changes that
    left the cursor as it was."""


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


class Training(_Section):
    """How examples are made and the ranker is fitted."""

    weeks: int = Field(4, ge=1)
    """Label windows of `horizon_days` each, walking back from the cut; 6 or 10 did not rank better than 4."""
    negatives_per_user: int = Field(50, ge=1)
    trees: int = Field(150, ge=1)
    leaves: int = Field(15, ge=2)
    learning_rate: float = Field(0.08, gt=0)
    min_rows_per_leaf: int = Field(100, ge=1)
    feature_fraction: float = Field(0.6, gt=0, le=1)
    truncation_level: int = Field(30, ge=1)
    """Pairs below this rank do not count; a little above the list's size (LightGBM's own advice)."""


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
    """How many candidates a recall source may offer to a scene."""

    quota: int = Field(ge=1)


class Scene(_Section):
    """One place in the shop where a list is shown."""

    recall: dict[str, RecallQuota]
    exclude_bought: bool = False
    """Leave out what the user has bought (shops where nobody buys the same thing twice)."""
    max_per_category: int | None = None


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
    """oss://bucket/prefix to which each release is copied; none: nowhere."""
    archive_url: str | None = None
    """oss://bucket/prefix to which the raw and the clean archive are copied; none: nowhere."""
    source: Path = Path("sources/demo.yaml")
    """Mapping of the business database, below the config folder or absolute."""
    matomo_source: Path = Path("sources/matomo.yaml")
    """Mapping of Matomo's database, below the config folder or absolute."""
    day: dt.date | None = None
    """The day of a run that names none."""
    seed: int = 0
    online_prefix: str = "vitrine"
    online_history_events: int = Field(3000, ge=1)
    """Latest events kept per user online; training and evaluation look no further back either."""
    lock_wait_seconds: float = Field(0, ge=0)
    compute: Compute = Compute()
    extract: Extract = Extract()
    clean: Clean = Clean()
    quality: Quality = Quality()
    """`config/quality.yaml`."""
    evaluation: Evaluation = Evaluation()
    training: Training = Training()
    serving: Serving = Serving()
    log: Logging = Logging()
    scenes: dict[str, Scene] = {}
    """`config/scenes.yaml`."""

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.work_dir)

    @property
    def releases(self) -> Path:
        return self.releases_dir or self.workspace.releases

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

    @property
    def horizon(self) -> dt.timedelta:
        return dt.timedelta(days=self.evaluation.horizon_days)

    def cut(self, day: dt.date) -> dt.date:
        """The last day that a ranker trained by the run of `day` may see."""
        return day if self.evaluation.holdout == "following" else day - self.horizon

    def last_judged(self, day: dt.date) -> dt.date:
        """The last day whose events the run of `day` reads, for judging only when it lies after `day`."""
        return self.cut(day) + self.horizon


def config_folder() -> Path:
    return Path(os.environ.get(f"{PREFIX}CONFIG_FOLDER", CONFIG_FOLDER))


def layers(
    overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """What each place says, weakest first, as (name of the place, values).

    Raises:
        SettingsError: an unreadable file, or a `VITRINE_` variable that names no setting.
    """
    folder = config_folder()
    scenes, quality = folder / "scenes.yaml", folder / "quality.yaml"
    named = tuple(Path(path) for path in os.environ.get(f"{PREFIX}CONFIG", "").split(",") if path)
    return [
        (_shown(scenes), {"scenes": _from_file(scenes)}),
        (_shown(quality), {"quality": _from_file(quality)}),
        *((_shown(path), _from_file(path)) for path in (folder / "settings.yaml", *named, *overlays)),
        ("environment", _from_environment()),
        ("arguments", dict(arguments or {})),
    ]


def _shown(path: Path) -> str:
    """The path as a person would name it: from the folder above `config/`, where it lies there."""
    home = config_folder().parent
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsError(str(path), expected="a YAML file", found="none", remedy="Create it, or mend the path.")
    try:
        return YamlConfigSettingsSource(Settings, yaml_file=path)()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise SettingsError(str(path), expected="a YAML mapping", found=str(error), remedy="Mend the file.") from error


def _from_environment() -> dict[str, Any]:
    """`VITRINE_TRAINING__TREES=50` -> {"training": {"trees": "50"}}."""
    fields = {*Settings.model_fields, *NO_SETTINGS}
    for name in os.environ:
        setting = name.removeprefix(PREFIX).lower().split("__")[0]
        if name.startswith(PREFIX) and setting not in fields and not setting.startswith("test_"):
            raise SettingsError(
                name,
                expected="a variable that names a setting",
                found=f"no setting `{setting}`",
                remedy="Mend or unset it.",
            )
    return EnvSettingsSource(Settings, env_prefix=PREFIX, env_nested_delimiter="__")()


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def load_settings(overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force.

    Raises:
        SettingsError: an unknown key, a wrong type or an unreadable file; names the key.
    """
    merged: dict[str, Any] = {}
    for _, values in layers(overlays, arguments):
        merged = _merge(merged, values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting `{key}`",
            expected=first["msg"],
            found="an unknown key" if first["type"] == "extra_forbidden" else repr(first.get("input")),
            remedy=f"Mend it in {origin(key, overlays, arguments)}; `vitrine config` lists every setting.",
        ) from error


def origin(key: str, overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None) -> str:
    """The place that decided the setting `key` (dotted): a file, `environment`, `arguments` or `default`."""
    places = [
        place
        for place, values in layers(overlays, arguments)
        if any(leaf == key or leaf.startswith(f"{key}.") for leaf, _ in _flatten(values))
    ]
    return places[-1] if places else "default"


def origins(overlays: tuple[Path, ...] = ()) -> dict[str, tuple[Any, str]]:
    """Every setting in force: dotted key -> (value, the place that decided it); secrets are masked."""
    settings = load_settings(overlays)
    return {key: (value, origin(key, overlays)) for key, value in _flatten(settings.model_dump(mode="json"))}


def _flatten(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
