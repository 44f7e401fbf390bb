#!/usr/bin/env bash
# The Lua sources have no luacheck finding.
cd "$(dirname "$0")/../.." || exit 1
command -v luacheck >/dev/null || { echo "luacheck is not installed"; exit 77; }
luacheck --no-color -q scripts experiments tests
