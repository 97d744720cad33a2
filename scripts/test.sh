#!/usr/bin/env bash
# The quick tests; installs what they need the first time. Arguments go to pytest:
#   scripts/test.sh tests/pipeline -k clean       some of them
#   scripts/test.sh -m slow                       the slow ones instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

ensure_venv .venv-dev requirements/dev.txt
exec .venv-dev/bin/python -m pytest -m "not slow" "$@"
