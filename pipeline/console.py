"""Where the commands print what people read: one console for all of them."""

from __future__ import annotations

import os

from rich.console import Console, ConsoleDimensions

WIDE = 250
"""Columns where nobody's terminal bounds them: the widest table is not cut in a file or a pipe."""


class _Output(Console):
    """As wide as `COLUMNS` says now, else as the terminal, else wide; not as things stood when it was made."""

    @property  # type: ignore[misc]  # nobody sets the size of this one
    def size(self) -> ConsoleDimensions:
        told = os.environ.get("COLUMNS", "")
        if told.isdigit() and int(told):
            return ConsoleDimensions(int(told), super().size.height)
        return super().size if self.is_terminal else ConsoleDimensions(WIDE, super().size.height)


out = _Output()
