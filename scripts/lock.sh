#!/usr/bin/env bash
# Writes the hash-pinned requirements/*.txt from the .in files: dev.txt first, the smaller ones on the same versions.
#   scripts/lock.sh             keeps every pinned version that still fits
#   scripts/lock.sh --upgrade   takes the newest that fit together
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=${UV:-uv}
if ! command -v "$uv" >/dev/null; then
    echo "lock.sh: uv is missing: pip install -r requirements/uv.txt, or set UV to its path" >&2
    exit 1
fi

# No annotations and no header: the files then name neither machines nor registries, and depend on the .in files alone.
compile() { # name [options…]
    "$uv" pip compile -q --generate-hashes --python-version 3.11 --no-annotate --no-header \
        "requirements/$1.in" -o "requirements/$1.txt" "${@:2}" >/dev/null
}

compile dev "$@"
compile airflow -c requirements/dev.txt
compile pipeline -c requirements/dev.txt
compile serving -c requirements/dev.txt
compile uv "$@"
