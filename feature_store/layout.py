"""Where each stored feature lies in its entity's vector, and what stands there when nothing is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.spec import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.spec import Feature


@dataclass(frozen=True)
class Layout:
    """Of `features`: the place of each stored one in its entity's vector; entity -> (its features, 1) defaults."""

    features: Mapping[str, Feature]
    positions: Mapping[str, int]
    defaults: Mapping[str, NDArray[np.float32]]


def layout_of(features: Mapping[str, Feature]) -> Layout:
    """Registry order within the entity."""
    if _LATEST[0].features is not features:
        vectors: dict[str, list[Feature]] = {entity: [] for entity in ENTITIES}
        for feature in features.values():
            if feature.kind == "stored" and feature.entity:
                vectors[feature.entity].append(feature)
        positions = {feature.name: at for own in vectors.values() for at, feature in enumerate(own)}
        defaults = {entity: np.array([[f.default] for f in own], np.float32) for entity, own in vectors.items()}
        _LATEST[0] = Layout(features, positions, defaults)
    return _LATEST[0]


_LATEST = [Layout({}, {}, {})]
"""That of the features asked for last: nearly always the registry's, and a tenth of a request to find again."""
