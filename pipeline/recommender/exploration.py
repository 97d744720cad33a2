"""A share of the requests sees its first candidates in random order, so that the log of what was shown can tell what
another order would have earned.

Each of them is as likely as any other in each of their places (X. Wang et al., "Position bias estimation for unbiased
learning to rank in personal search", WSDM 2018: RandTopN), so how likely an item was where it stood is known exactly:
share / candidates, and 1 - share more for the one that belongs there.
What is drawn depends on the scene and the request's id alone: whoever has both draws the same again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.settings import Explore


def explored(
    order: NDArray[np.intp], choices: Explore, draw: str, size: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The first `size` of `order` (n,), best first, as the request named by `draw` sees them, and how likely each was
    to stand there.
    """
    among = min(choices.candidates, len(order))
    propensity = np.ones(len(order))
    if among < 2:  # noqa: PLR2004 - one alone has one place
        return order[:size], propensity[:size]
    numbers = _numbers(draw, among + 1)
    shown = order.copy()
    if float(numbers[0] >> np.uint64(11)) / 2**53 < choices.share:
        shown[:among] = order[np.argsort(numbers[1:], kind="stable")]
    propensity[:among] = choices.share / among + (1 - choices.share) * (shown[:among] == order[:among])
    return shown[:size], propensity[:size]


def _numbers(draw: str, count: int) -> NDArray[np.uint64]:
    """(count,) even 64-bit numbers from a text; the same for ever, as a library's generator need not be."""
    return np.frombuffer(hashlib.shake_128(draw.encode()).digest(8 * count), "<u8").astype(np.uint64)
