#!/usr/bin/env bash
# Breaks source files line by line and runs tests on each mutant, in a copy of the committed tree; prints the survivors.
# Usage: scripts/mutants.sh .venv-mutants .venv "nebctl/core/guard.py" "tests/core/test_guard.py" ["*" [1]]
# The fifth argument takes only the mutants whose numbered names match it, the sixth so many at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(realpath "$1")
dev=$(realpath "$2")
read -r -a sources <<<"$3"
read -r -a tests <<<"$4"

listed() { printf '"%s", ' "$@"; }

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone -q . "$copy/tree"
cd "$copy/tree"
cat >>pyproject.toml <<EOF

[tool.mutmut]
source_paths = [$(listed "${sources[@]}")]
also_copy = ["nebctl", "drivers", "simulators", "protocols", "docs", "scripts"]
pytest_add_cli_args_test_selection = [$(listed "${tests[@]}")]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--timeout=0"]
EOF
mkdir mutants
# The mutants' own packages stand before those of the development environment.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
others=$("$dev/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for place in "" /drivers /protocols /simulators; do
    mkdir -p "mutants$place"
    echo "$PWD/mutants$place"
done >"$site/mutated.pth"
echo "$others" >>"$site/mutated.pth"
"$venv/bin/mutmut" run --max-children "${6:-1}" "${5:-*}" | tr '\r' '\n' | tail -n 4
"$venv/bin/mutmut" results | { grep -v ": not checked$" || true; }
