#!/usr/bin/env bash
# Writes the two hashed locks anew (needs uv); they carry no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() { uv pip compile -q pyproject.toml --extra demo --group build "$@" --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header; }
lock -o requirements/demo.txt
lock --group dev -c requirements/demo.txt -o requirements/dev.txt
