"""How many threads NumPy and SciPy multiply with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def products_on_one_thread() -> Iterator[None]:
    """Within it BLAS multiplies on one thread; also a decorator.

    Our products are small: threads that share one wait for each other longer than they work, many times so on a busy
    machine. And the last bits of a product depend on how many threads share it: so would those of a release on cores.
    """
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which must be there to be told
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

    with threadpool_limits(limits=1, user_api="blas"):
        yield
