"""Where and when the user asks, and whether that is their usual time.

The shop's clock shows the setting `timezone`. A scene's code is its place in `config/scenes.yaml`, a device's its place
in `context.DEVICES`, both from 1; 0 is unknown. Where in the list an item will stand is known only after ranking: it is
no feature of a candidate, and what is clicked because it stood on top is for the ranker's training to correct.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.arithmetic import smoothed
from feature_store.rhythm import HOUR, MONDAYS, NEAR_HOURS
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.occurrences import Occurrences

_DAY = 86_400
PRIOR_BASKETS = np.float32(7)
"""A share is smoothed as if seven more baskets had been seen, as many as the week has days, at the shop's times."""


@request(unit="hours", default=0.0, range=(0.0, 23.0))
def context_hour(clock: NDArray[np.int64]) -> Column:
    """The hour on the shop's clock, 0 to 23. Source: request."""
    return (clock % _DAY // HOUR).astype(np.float32)


@request(unit="days", default=0.0, range=(0.0, 6.0))
def context_weekday(clock: NDArray[np.int64]) -> Column:
    """The day of the week on the shop's clock, 0 for Monday to 6. Source: request."""
    return ((clock - MONDAYS) // _DAY % 7).astype(np.float32)


@request(unit="code", default=0.0)
def context_scene(scene: NDArray[np.int32]) -> Column:
    """Where in the shop the list is shown; 0 for a place that has no scene. Source: request."""
    return scene.astype(np.float32)


@request(unit="code", default=0.0)
def context_device(device: NDArray[np.int32]) -> Column:
    """What the user looks at the shop with; 0 when it is not told, as in training. Source: request."""
    return device.astype(np.float32)


@request(unit="ratio", default=1 / 7, range=(0.0, 1.0))
def user_weekday_basket_share(any_item: Occurrences, clock: NDArray[np.int64], shop_weekday_share: Column) -> Column:
    """Share of the user's baskets on this day of the week, smoothed as if seven more had fallen on it as often as the
    whole shop's of the last 91 days did; a seventh in a shop without any. Source: recent history, purchases.
    """
    return smoothed(any_item.count_on_weekday(clock), any_item.count(), shop_weekday_share, PRIOR_BASKETS)


@request(unit="ratio", default=1 / 6, range=(0.0, 1.0))
def user_hour_basket_share(any_item: Occurrences, clock: NDArray[np.int64], shop_hour_share: Column) -> Column:
    """Share of the user's baskets within two hours of this time of the day, smoothed as if seven more had fallen into
    them as often as the whole shop's of the last 91 days did, to the hour; a sixth in a shop without any.

    Source: recent history, purchases.
    """
    return smoothed(any_item.count_near_hour(clock, NEAR_HOURS), any_item.count(), shop_hour_share, PRIOR_BASKETS)
