#!/usr/bin/env bash
# Compare the samplers of nnrun with Optuna's on test functions, and write the table in docs/search.md
# anew. Takes some ten minutes; SEEDS=30 TRIALS=100 are the defaults, and DOC names another file to write
# in (a copy of that page). Needs python3-optuna, python3-numpy and python3-scipy; PYTHON chooses the
# interpreter.
set -e
root=$(realpath "$(dirname "$0")/../..")
seeds=${SEEDS:-30} trials=${TRIALS:-100} python=${PYTHON:-/usr/bin/python3}
doc=$(realpath "${DOC:-$root/docs/search.md}")
cd "$root"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
./nnrun tests/quality/search_regret.lua "$seeds" "$trials" >"$folder/nnrun.csv"
"$python" tests/quality/optuna_regret.py "$seeds" "$trials" >"$folder/optuna.csv"
"$python" tests/quality/compare.py --write "$doc" --trials "$trials" "$folder/nnrun.csv" "$folder/optuna.csv"
