#!/usr/bin/env bash
# The quick tests on two cores; installs what they need the first time. Arguments go to pytest:
#   scripts/test.sh tests/pipeline -k clean       some of them
#   scripts/test.sh -m slow                       the slow ones instead
#   scripts/test.sh -n 0 --pdb                    in one process
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

ensure_venv .venv-dev requirements/dev.txt
# A file's tests stay together: what is made once for a file is made once. The order of files is that of tests/conftest.py.
exec .venv-dev/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" "$@"
