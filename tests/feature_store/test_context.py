"""The shop's clock, and the codes of scenes and devices."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from feature_store.context import DEVICES, context_of


def at(*moment: int) -> np.ndarray:
    return np.array([int(dt.datetime(*moment, tzinfo=dt.UTC).timestamp())])


@pytest.mark.parametrize(
    ("timezone", "moment", "hours"),
    [
        ("UTC", (2026, 7, 1, 12), 0),
        ("Europe/Berlin", (2026, 1, 1, 12), 1),
        ("Europe/Berlin", (2026, 7, 1, 12), 2),
        ("America/New_York", (2026, 1, 1, 12), -5),
        ("Asia/Kathmandu", (2026, 1, 1, 12), 5.75),
    ],
)
def test_the_clock_is_ahead_of_utc_by_the_shops_offset_of_the_day(timezone, moment, hours) -> None:
    asked_at = at(*moment)
    assert (context_of(asked_at, timezone=timezone).clock - asked_at).tolist() == [hours * 3600]


def test_the_clock_jumps_when_summer_begins() -> None:
    """Berlin, 29 March 2026: at 01:00 UTC the clock goes from two to three."""
    moments = np.concatenate([at(2026, 3, 29, 0, 59), at(2026, 3, 29, 1, 0)])
    clock = context_of(moments, timezone="Europe/Berlin").clock
    assert (clock[1] - clock[0]) == 3600 + 60


def test_codes_are_places_from_one_and_the_unknown_is_zero() -> None:
    scenes = ("home", "cart")
    found = [context_of(at(2026, 1, 1), scene=scene, scenes=scenes).scene[0] for scene in ("home", "cart", "other")]
    assert found == [1, 2, 0]
    devices = [context_of(at(2026, 1, 1), device=device).device[0] for device in (None, *DEVICES)]
    assert devices == [0, 1, 2, 3, 4]


def test_devices_are_appended_never_reordered() -> None:
    """Models of today tell devices by these very places."""
    assert DEVICES[:4] == ("desktop", "smartphone", "tablet", "app")


def test_what_is_said_of_one_can_be_said_of_many() -> None:
    many = context_of(at(2026, 1, 1), scene="home", scenes=("home",), device="app").of_each(3)
    assert (len(many.clock), many.scene.tolist(), many.device.tolist()) == (3, [1] * 3, [4] * 3)
