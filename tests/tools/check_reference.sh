#!/usr/bin/env bash
# docs/reference.md and docs/annotations are what the doc comments and the engine's tables say now.
cd "$(dirname "$0")/../.." || exit 1
program=${NNRUN:-./nnrun}
"$program" tests/tools/reference.lua --check && "$program" tests/tools/annotations.lua --check
