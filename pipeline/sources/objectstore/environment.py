"""Where a store is and who asks, from the environment of the process and from nowhere else."""

from __future__ import annotations

import os

from pipeline.errors import ObjectStoreError


def require_variables(url: str, names: tuple[str, ...]) -> None:
    """Every variable of `names` has a value.

    Raises:
        ObjectStoreError: names those that have none.
    """
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ObjectStoreError(
            url,
            expected=f"the variables {', '.join(names)}",
            found=f"no {', '.join(missing)}",
            remedy="Set them in the environment of the process; they belong into no file of the repository.",
        )


def first_of(*names: str) -> str | None:
    """The value of the first of these variables that has one."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
