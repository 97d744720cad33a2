"""`python -m serving [--workers N]`: serve with the settings in force."""

from __future__ import annotations

import argparse
import sys

from feature_store.errors import VitrineError
from pipeline.settings import load_settings
from serving.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve recommendations over HTTP.")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port (default: 1)")
    workers = parser.parse_args().workers
    try:
        serve(load_settings(), workers)
    except VitrineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
