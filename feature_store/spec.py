"""The two kinds of feature, and the decorators that define them.

A **stored** feature is an aggregate over events (or another canonical table) as of the end of a day, one value per
user, item or category. A **request** feature is arithmetic on columns at the moment of asking, one value per
candidate. In both, the function's name is the feature and its parameters are its inputs.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable

Column: TypeAlias = NDArray[np.float32]
"""One value per row, shape (n,), float32."""
Entity = Literal["user", "item", "category", "brand"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)


@dataclass(frozen=True)
class Feature:
    """One feature: what it means (from the docstring), where it comes from, what "never seen" is."""

    name: str
    kind: Literal["stored", "request"]
    entity: Entity | None
    unit: str
    range: tuple[float, float]
    default: float
    inputs: tuple[str, ...]
    compute: Callable[..., Any]
    """Stored: tables -> Ibis value. Request: NumPy inputs -> Column. Any, because the two have nothing in common."""

    @property
    def description(self) -> str:
        return inspect.getdoc(self.compute) or ""

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401 - as `compute`
        return self.compute(*inputs)


def _feature(
    compute: Callable[..., Any],
    kind: Literal["stored", "request"],
    entity: Entity | None,
    unit: str,
    range_: tuple[float, float],
    default: float,
) -> Feature:
    name = compute.__name__
    if not compute.__doc__:
        raise FeatureError(name, expected="a docstring", found="none", remedy="Say what the value means.")
    if not range_[0] <= default <= range_[1]:
        raise FeatureError(name, expected=f"a default in {range_}", found=str(default), remedy="Mend default or range.")
    return Feature(name, kind, entity, unit, range_, default, tuple(inspect.signature(compute).parameters), compute)


def stored(
    *,
    entity: Entity,
    unit: str,
    default: float,
    range: tuple[float, float] = (0.0, math.inf),  # noqa: A002 - reads as the docs do
) -> Callable[[Callable[..., Any]], Feature]:
    """Define a stored feature of `entity`; the function takes tables as of the day and returns an aggregate."""
    return lambda compute: _feature(compute, "stored", entity, unit, range, default)


def request(
    *,
    unit: str,
    default: float,
    range: tuple[float, float] = (0.0, math.inf),  # noqa: A002 - reads as the docs do
) -> Callable[[Callable[..., Any]], Feature]:
    """Define a request feature; the function takes columns and returns a column of the same length.

    Besides the names of other features a parameter may be one of the inputs that `matrix.py` provides.
    NaN in the result (nothing to compute from) becomes `default`.
    """
    return lambda compute: _feature(compute, "request", None, unit, range, default)
