#!/usr/bin/env bash
# Writes the four hashed locks anew (needs uv); they carry no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() { uv pip compile -q "$@" --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header; }
ours() { lock pyproject.toml --extra demo --group build "$@"; }
ours -o requirements/demo.txt
ours --group dev -c requirements/demo.txt -o requirements/dev.txt
lock requirements/peers.in -o requirements/peers.txt
lock requirements/mutants.in -o requirements/mutants.txt
