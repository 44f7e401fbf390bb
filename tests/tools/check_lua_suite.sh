#!/usr/bin/env bash
# What of Lua's own test-suite passes under the plain interpreter passes under nnrun.
#
# NNRUN_LUA_TESTS names a folder with the suite. Without it the pieces that the npm package fengari
# carries (written for Lua 5.3) are fetched. Skipped when there is neither, or no lua5.4.
cd "$(dirname "$0")/../.." || exit 1
program=${NNRUN:-./nnrun}
command -v lua5.4 >/dev/null || { echo "lua5.4 is not installed"; exit 77; }
if [[ -n ${NNRUN_LUA_TESTS:-} ]]; then
  exec "$program" tests/tools/lua_suite.lua "$NNRUN_LUA_TESTS"
fi
command -v npm >/dev/null || { echo "no NNRUN_LUA_TESTS, and no npm to fetch the suite with"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && timeout 60 npm pack --silent fengari@0.1.5 >/dev/null 2>&1 && tar xzf fengari-*.tgz) ||
  { echo "the npm package fengari cannot be fetched"; exit 77; }
"$program" tests/tools/lua_suite.lua "$work/package/test/test-suite"
