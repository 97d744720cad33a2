"""What is true of the simulated storefront: every probability that its visits are drawn from, and what follows.

Simulated is everything here but the baskets, which are real (see `journey`). The recommendation slot shows made-up
lists, so its numbers are known beforehand: whoever measures them from the log must find them again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LABEL = "Vitrine demo shop (SIMULATED visits around real baskets)"


@dataclass(frozen=True)
class Truth:
    """The seeded truth. A *buying* visit ends with a real basket, a *browsing* one with nothing or an open cart."""

    seed: int = 0
    slot: str = "home-recommendations"
    positions: int = 8
    wanted: float = 0.8
    """Buying visits whose list holds one item of the basket, at a position drawn evenly; the others hold none."""
    click_wanted: float = 0.5
    """Clicks on an item of the basket that the visitor looked at."""
    click_other: float = 0.05
    """Clicks on any other item that the visitor looked at."""
    attention_decay: float = 0.85
    """Each position is looked at so much less than the one before it; the first always is."""
    view_before_purchase: float = 0.6
    """Lines of a basket whose product page was opened first."""
    drop_before_order: float = 0.1
    """Orders before which one more item lay in the cart and was taken out."""
    browsing: float = 0.5
    """Browsing visits per basket."""
    open_cart: float = 0.3
    """Browsing visits that leave an open cart."""
    login_at_start: float = 0.6
    login_midway: float = 0.25
    """The others never log in."""
    overnight: float = 0.3
    """Orders before 8 o'clock whose visit began, and whose cart was filled, the evening before."""
    newsletter: float = 0.1
    """People's visits that reach the goal *Newsletter*, bought anything or not."""
    late: float = 0.02
    """Actions that reach the log only on the next day, with their own old time."""
    bots_per_day: int = 1
    bot_pages: int = 120

    def attention(self, position: int) -> float:
        """The chance that a position (from 1) is looked at."""
        return float(self.attention_decay ** (position - 1))

    def click(self, position: int, *, buying: bool) -> float:
        """The chance that what is shown at a position is clicked."""
        wanted = self.wanted / self.positions if buying else 0.0
        return self.attention(position) * (wanted * self.click_wanted + (1 - wanted) * self.click_other)

    @property
    def purchase_given_shown(self) -> float:
        """The chance that an item shown in a buying visit is bought in it."""
        return self.wanted / self.positions

    @property
    def purchase_given_click(self) -> float:
        """The chance that an item clicked in a buying visit is bought in it; the same at every position."""
        wanted = self.purchase_given_shown * self.click_wanted
        return wanted / (wanted + (1 - self.purchase_given_shown) * self.click_other)

    def told(self) -> dict[str, Any]:
        """Everything, with what follows from it, for the file beside the data."""
        numbers = range(1, self.positions + 1)
        return {
            "label": LABEL,
            **asdict(self),
            "click_by_position_buying": [self.click(position, buying=True) for position in numbers],
            "click_by_position_browsing": [self.click(position, buying=False) for position in numbers],
            "purchase_given_shown_buying": self.purchase_given_shown,
            "purchase_given_click_buying": self.purchase_given_click,
            "purchase_given_shown_browsing": 0.0,
        }
