"""What goes over the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from feature_store.context import Device  # noqa: TC001 - pydantic reads it when the class is made

Id = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecommendRequest(_Body):
    """Who asks, where the list is shown, and what must not be in it."""

    user_id: Id = Field(description="The shop's own id; an unknown user is welcome.")
    scene: str = Field("home", description="A scene of `config/scenes.yaml`.")
    size: int = Field(20, ge=1, le=200)
    exclude: list[Id] = Field([], max_length=1_000, description="Item ids that the answer must not hold.")
    device: Device | None = Field(None, description="What the list is looked at with.")
    time: AwareDatetime | None = Field(None, description="Moment of asking, ISO 8601 with a time zone; none: now.")


class ListedItem(BaseModel):
    item_id: str
    title: str
    score: float = Field(description="Comparable within one answer only.")
    sources: list[str] = Field(description="The recall sources that proposed the item.")
    probability: float | None = Field(
        None, description="That the user buys the item within the horizon of training; null where nobody can say."
    )


class RecommendResponse(BaseModel):
    """A list, best first. `degrade_level`: 0 personal, 1 without the user's own vector or from the fallback store,
    2 popular because recommending failed, 3 popular because no release is loaded.
    """

    request_id: str
    release: str
    user_id: str
    scene: str
    items: list[ListedItem]
    degrade_level: int = Field(ge=0, le=3)
    degrade_reason: str


class ReloadRequest(_Body):
    """Which release to serve; none: the one that `releases/current` names."""

    release: Id | None = None


class ReloadResponse(BaseModel):
    """`swapped`: the new one answers from now on; `unchanged`: it was in use already and verified again."""

    outcome: Literal["swapped", "unchanged"]
    old: str | None
    new: str
    seconds: float


class ListedRelease(BaseModel):
    release: str
    day: str | None
    in_use: bool
    metrics: dict[str, float]
    problem: str = ""


class ModelsResponse(BaseModel):
    """Every release on disk, oldest first."""

    current: str | None = Field(description="The release that this process serves.")
    releases: list[ListedRelease]


class ErrorResponse(BaseModel):
    """Something a person must act on."""

    error: str
    where: str
    expected: str
    found: str
    remedy: str


class InvalidField(BaseModel):
    field: str
    reason: str


class InvalidRequestResponse(BaseModel):
    """Which fields of a request are wrong, and why."""

    error: Literal["InvalidRequest"]
    fields: list[InvalidField]
