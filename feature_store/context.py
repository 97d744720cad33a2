"""Where and when somebody asks: the time on the shop's clock, the scene, the device."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Device = Literal["desktop", "smartphone", "tablet", "app"]
DEVICES: tuple[Device, ...] = get_args(Device)
"""A device's code is its place in this tuple, from 1. Append, never reorder."""
UNKNOWN = 0
"""The code of a scene or device that nobody named."""


@dataclass(frozen=True)
class Context:
    """The circumstances of each asker.

    clock:  (users,) int64, seconds since 1970-01-01 00:00 as a clock on the shop's wall counts them
    scene:  (users,) int32, place in the list of scenes, from 1; device: (users,) int32, place in `DEVICES`, from 1
    """

    clock: NDArray[np.int64]
    scene: NDArray[np.int32]
    device: NDArray[np.int32]

    def take(self, users: NDArray[np.integer]) -> Context:
        """The circumstances of some of them, in the order given."""
        return Context(self.clock[users], self.scene[users], self.device[users])

    def of_each(self, users: int) -> Context:
        """The circumstances of one asker, said of many."""
        return Context(np.repeat(self.clock, users), np.repeat(self.scene, users), np.repeat(self.device, users))


def context_of(
    asked_at: NDArray[np.int64],
    *,
    timezone: str = "UTC",
    scene: str = "",
    scenes: Sequence[str] = (),
    device: Device | None = None,
) -> Context:
    """The circumstances of askers (users,) who ask for the same scene on the same device.

    `scenes` is every scene in the order of `config/scenes.yaml`: a new one is added at its end.
    """
    scene_code = list(scenes).index(scene) + 1 if scene in scenes else UNKNOWN
    device_code = DEVICES.index(device) + 1 if device else UNKNOWN
    return Context(
        asked_at + ahead_of_utc(asked_at, timezone),
        np.full(len(asked_at), scene_code, np.int32),
        np.full(len(asked_at), device_code, np.int32),
    )


def ahead_of_utc(moments: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """Seconds by which the shop's clock is ahead of UTC at each moment."""
    if timezone == "UTC":
        return np.zeros(len(moments), np.int64)
    zone = ZoneInfo(timezone)
    distinct, where = np.unique(moments, return_inverse=True)
    shifts = [dt.datetime.fromtimestamp(int(moment), zone).utcoffset() or dt.timedelta() for moment in distinct]
    return np.array([int(shift.total_seconds()) for shift in shifts], np.int64)[where]
