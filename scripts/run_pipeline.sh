#!/usr/bin/env bash
# One day through the whole pass, from the sources to a released and served model. Installs what it needs the first time.
#   scripts/run_pipeline.sh                       the configured day
#   scripts/run_pipeline.sh --day 2017-11-05      another day
#   scripts/run_pipeline.sh --sync-only           rebuild snapshot, online store and model from the archive, no source touched
#   scripts/run_pipeline.sh --quiet               for machines
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

ensure_venv .venv requirements/pipeline.txt
exec .venv/bin/vitrine run "$@"
