"""`config/sources/matomo.yaml`: which Matomo tables, sites and slots are this shop's, and whose word counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.configuration import config_folder
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.settings import Settings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dimensions(_Part):
    """Names of action-scope custom dimensions; their column differs from site to site (`custom_dimensions.index`)."""

    position: str = "rec_position"
    request: str = "rec_request_id"


class Bots(_Part):
    """A visit is a machine's when it has many pages at a pace that nobody reads at; both must hold."""

    pages: int = Field(30, ge=2)
    """Product, category and search pages of one visit in one day."""
    seconds_per_page: float = Field(2.0, gt=0)
    """Mean; below it nobody reads."""


class MatomoMapping(_Part):
    """One Matomo database in the words of the shop."""

    name: str = "matomo"
    prefix: str = Field("matomo_", pattern=r"^[A-Za-z0-9_]*$")
    sites: tuple[int, ...] = Field(min_length=1)
    orders: Literal["shop", "matomo_where_missing"] = "shop"
    """`shop`: purchases are the business database's; `matomo_where_missing`: also Matomo's that it does not know."""
    anonymous_visitors: bool = False
    """Whether events of visitors who never logged in reach the clean `events`, as `visitor:` and their visitor id."""
    slots: tuple[str, ...] = ()
    """Content names that are recommendation slots; none named: all are."""
    dimensions: Dimensions = Dimensions()
    bots: Bots = Bots()
    overlap_hours: int = Field(24, ge=1)
    """How far behind the watermark every run reads again: a visit is open for 30 minutes, trackers queue for longer."""
    overlap_ids: int = Field(1000, ge=0)
    """Action ids below the highest one seen that are looked at again: an id given early can be committed late."""
    overlap_visits: int = Field(50, ge=0)
    """The same for ids of visits."""


def load_matomo_mapping(settings: Settings) -> MatomoMapping:
    """The mapping that `settings.matomo_source` names, below the config folder or absolute.

    Raises:
        SettingsError: the file cannot be read, or says what no mapping does; names the key.
    """
    path = config_folder() / settings.matomo_source
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"mapping {path}", expected="a YAML file", found=str(error), remedy="Mend it, or mend `matomo_source`."
        ) from error
    try:
        return MatomoMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(
            f"mapping {path}, {key}",
            expected="what pipeline/sources/matomo/mapping.py describes",
            found=first["msg"],
            remedy="config/sources/matomo.yaml is a commented example.",
        ) from error
