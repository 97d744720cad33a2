#!/usr/bin/env bash
# Makes a virtual environment from a hash-pinned lock, or finds it ready in a few milliseconds. Sourced by the other scripts:
#   source scripts/venv.sh && ensure_venv .venv requirements/pipeline.txt
# Nothing but Python 3.11 with pip is needed; the working directory is the repository's root.

export OMP_WAIT_POLICY=PASSIVE # idle OpenMP threads sleep: spinning ones cost many times the work on a busy machine

ensure_venv() { # folder lock
    local venv=$1 lock=$2
    if _is_ready "$venv" "$lock"; then return; fi
    # One builder at a time, for every environment: they share the metadata folder of the editable install.
    # The kernel lets go of the lock when the builder dies, however it dies.
    (
        flock -n 9 || { echo "Waiting for another install …" >&2 && flock 9; }
        if ! _is_ready "$venv" "$lock"; then _build "$venv" "$lock"; fi
    ) 9<requirements
}

# The stamp is written last: without it an install was interrupted. It names all that the environment is made from,
# the place too, because the scripts in a virtual environment hold their own path.
_is_ready() { # folder lock
    [[ -f $1/.stamp && $(<"$1/.stamp") == "$(_stamp "$1" "$2")" ]]
}

_stamp() { # folder lock
    "$1/bin/python" --version 2>/dev/null || echo "no python"
    pwd -P
    sha256sum "$2" pyproject.toml
}

_build() ( # folder lock
    set -euo pipefail
    venv=$1 lock=$2
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    unset PYTHONDONTWRITEBYTECODE # compiled once here, or by every process at every start
    quiet=-q
    [[ -t 2 ]] && quiet=
    echo "Installing $lock into $venv (once; a minute or two) …" >&2

    # A stamped environment of this place is brought up to date; anything else may be half of one and is made anew.
    if [[ ! -f $venv/.stamp ]] || ! grep -qxF "$(pwd -P)" "$venv/.stamp" || ! "$venv/bin/python" --version >/dev/null 2>&1; then
        python=$(_python_311)
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    rm -f "$venv/.stamp"

    "$venv/bin/python" -m pip install -qq --require-hashes -r requirements/uv.txt
    index=$(_index "$venv" || true)
    if ! env ${index:+"UV_DEFAULT_INDEX=$index"} "$venv/bin/uv" pip sync ${quiet:+"$quiet"} --system-certs --require-hashes \
        --compile-bytecode --python "$venv/bin/python" "$lock"; then
        echo "uv could not install $lock; trying pip, which is slower" >&2
        "$venv/bin/python" -m pip install ${quiet:+"$quiet"} --require-hashes -r "$lock"
    fi
    "$venv/bin/python" -m pip install -qq --no-deps --no-build-isolation --editable .

    _stamp "$venv" "$lock" >"$venv/.stamp.new"
    mv "$venv/.stamp.new" "$venv/.stamp"
)

_python_311() {
    local candidate
    for candidate in python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$candidate cannot make virtual environments: install its venv module (Debian: python3.11-venv)" >&2
                return 1
            fi
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 is needed; found $(python3 --version 2>/dev/null || echo none). Install it as python3.11." >&2
    return 1
}

# uv does not read pip's configuration: tell it the same index, where one is configured.
_index() { # folder
    echo "${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$("$1/bin/python" -m pip config get global.index-url 2>/dev/null)}}"
}
