#!/usr/bin/env bash
# docs/reference.md is what the doc comments and the engine's tables say now.
cd "$(dirname "$0")/../.." || exit 1
exec "${NNRUN:-./nnrun}" tests/tools/reference.lua --check
