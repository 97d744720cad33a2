"""What can be chosen of each ranker: the section `training` of the settings, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

TARGETS = ("click", "cart", "purchase", "gmv")
"""What a ranker of several targets can learn; `gmv` is money paid."""
RankerName = Literal["lightgbm", "logistic", "xgboost", "deepfm", "multitask", "network", "blend"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LightGBMChoices(_Section):
    """Boosted trees, grown leaf by leaf."""

    objective: Literal["lambdarank", "binary"] = "lambdarank"
    """`binary` learns whether a row is bought, whoever asks; `lambdarank` only the order within an asker."""
    trees: int = Field(150, ge=1)
    leaves: int = Field(15, ge=2)
    learning_rate: float = Field(0.08, gt=0)
    min_rows_per_leaf: int = Field(100, ge=1)
    feature_fraction: float = Field(0.6, gt=0, le=1)
    truncation_level: int = Field(30, ge=1)
    """Pairs below this rank do not count; a little above the list's size (LightGBM's own advice)."""


class LogisticChoices(_Section):
    """A straight line through the logarithms of the features: the baseline every other ranker must beat."""

    inverse_penalty: float = Field(0.1, gt=0)
    """The inverse of the weight of the squared coefficients; larger trusts the examples more."""
    iterations: int = Field(200, ge=1)


class XGBoostChoices(_Section):
    """Boosted trees, grown level by level (extra `xgboost`)."""

    objective: Literal["rank:ndcg", "binary:logistic"] = "rank:ndcg"
    trees: int = Field(150, ge=1)
    depth: int = Field(5, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    min_child_weight: float = Field(1.0, ge=0)
    """Least curvature of the loss in a leaf; pairs of a list weigh far less than rows of a yes or no."""
    feature_fraction: float = Field(0.6, gt=0, le=1)


class DeepFMChoices(_Section):
    """Factorisation machine and a small network over the same factors (extra `deep`)."""

    factors: int = Field(8, ge=1)
    hidden: tuple[int, ...] = (64, 32)
    passes: int = Field(3, ge=1)
    """How often every example is looked at."""
    learning_rate: float = Field(0.002, gt=0)
    batch_rows: int = Field(1024, ge=1)
    penalty: float = Field(1e-5, ge=0)


class NetworkChoices(_Section):
    """Small networks from different starts, averaged."""

    members: int = Field(3, ge=1)
    hidden: tuple[int, ...] = Field((128, 64), min_length=1)
    passes: int = Field(3, ge=1)
    """How often every example is looked at; more learn the examples by heart."""
    learning_rate: float = Field(0.001, gt=0)
    slowing: float = Field(0.45, gt=0, le=1)
    """The learning rate of a pass over that of the pass before it."""
    batch_rows: int = Field(1024, ge=1)


PartName = Literal["lightgbm", "logistic", "xgboost", "deepfm", "network"]


class BlendChoices(_Section):
    """Several rankers added up; each is fitted by its own section."""

    parts: dict[PartName, float] = Field({"lightgbm": 0.3, "network": 0.7}, min_length=1)
    """What each ranker counts, whatever the scale of its scores."""


_SECTIONS = {"lightgbm", "logistic", "xgboost", "deepfm", "network", "blend"}


class TrainingChoices(_Section):
    """How examples are made and the ranker is fitted."""

    ranker: RankerName = "lightgbm"
    weeks: int = Field(4, ge=1)
    """Label windows of `horizon_days` each, walking back from the cut; more than 4 help networks, not trees."""
    negatives_per_user: int = Field(50, ge=1)
    examples: Literal["auto", "shown", "recall"] = "auto"
    """`shown`: what the impression log says was shown; `recall`: what recall would have offered; `auto`: what was
    shown in a week whose log has `fewest_shown` lists to learn from, else what recall would have offered."""
    fewest_shown: int = Field(1000, ge=1)
    most_shown: int = Field(2000, ge=1)
    """Lists of a week that are learned from, drawn evenly; recall is asked for its scores of each."""
    outcome_hours: int = Field(24, ge=1)
    """What is clicked, put into the cart or bought so soon after it was shown counts as its outcome."""
    position: Literal["feature", "ignore"] = "feature"
    """Whether the ranker is told where an item was shown, so that it need not take looks at the top for liking."""
    calibration: Literal["isotonic", "platt", "none"] = "isotonic"
    """How scores become probabilities, from the week before the training weeks; `none` saves making its examples."""
    calibration_askers: int = Field(300, ge=2)
    """Users of that week, drawn evenly; every candidate of theirs counts."""
    lightgbm: LightGBMChoices = LightGBMChoices()
    """Of `lightgbm`, and of every head of `multitask`."""
    logistic: LogisticChoices = LogisticChoices()
    xgboost: XGBoostChoices = XGBoostChoices()
    deepfm: DeepFMChoices = DeepFMChoices()
    network: NetworkChoices = NetworkChoices()
    blend: BlendChoices = BlendChoices()

    @property
    def section(self) -> str:
        """Where the choices of the ranker are."""
        return "lightgbm" if self.ranker == "multitask" else self.ranker

    def own(self) -> dict[str, object]:
        """The choices of the ranker."""
        found: BaseModel = getattr(self, self.section)
        return found.model_dump(mode="json")

    def chosen(self) -> dict[str, object]:
        """What decides about this training: the shared choices, those of its ranker and of the parts of a blend."""
        parts = self.blend.parts if self.ranker == "blend" else {}
        of_parts: dict[str, object] = {name: getattr(self, name).model_dump(mode="json") for name in parts}
        return {**self.model_dump(exclude=_SECTIONS), **self.own(), **of_parts}
