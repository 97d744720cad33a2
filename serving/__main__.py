"""`python -m serving`: serve with the settings in force."""

from __future__ import annotations

import sys

from feature_store.errors import VitrineError
from pipeline.configuration import load_settings
from serving.server import serve


def main() -> None:
    try:
        serve(load_settings())
    except VitrineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
