#!/usr/bin/env bash
# Makes the virtual environment, installs a hashed lock into it, then nebctl itself as an editable package.
# Usage: scripts/install.sh .venv requirements/dev.txt      (PYTHON=/path/to/python chooses the interpreter)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 lock=$2

suits() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if suits "$candidate"; then echo "$candidate" && return; fi
    done
    echo "nebctl needs Python 3.11 or newer with its venv module; none was found. On Debian 12 or Ubuntu 24.04:" >&2
    echo "    sudo apt install python3 python3-venv" >&2
    return 1
}

# pip speaks only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "set-up failed at: $*" >&2
        return 1
    fi
    rm -f "$log"
}

install() { quietly "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"; }

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "set-up: making $venv with $("$python" --version)"
    quietly "$python" -m venv --clear "$venv"
fi
echo "set-up: installing $lock, every file checked against its hash (up to a minute the first time)"
install --require-hashes -r "$lock"
install --no-deps --no-build-isolation -e .
