#!/usr/bin/env bash
# Kills a sweep at random moments - its coordinator, the process that starts workers, a worker, or all
# at once - and runs it again each time; the final table must be that of an undisturbed sweep, byte for
# byte.   usage: tests/tools/check_sweep_kills.sh [KILLS (20)] [SEED (1)]
set -u
cd "$(dirname "$0")/../.." || exit 1
kills=${1:-20} RANDOM=${2:-1}
program=$(realpath "${NNRUN:-./nnrun}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/sweep.lua" <<'LUA'
local search = require "search"
return search.sweep {
  name = "chaos", seeds = 2, objective = "max score", sampler = "random", trials = 200,
  space = { lr = search.float(1e-4, 1, { log = true }), width = { 16, 32, 64 } },
  run = function(trial)
    for epoch = 1, 5 do
      trial:report(epoch, { score = math.random() - trial.params.lr })
      local stop = os.clock() + 0.004
      repeat until os.clock() >= stop
    end
  end,
}
LUA
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }

"$program" "$folder/sweep.lua" -q --store "$folder/calm.db" >"$folder/calm" || exit 1
for ((i = 1; i <= kills; i++)); do
  setsid "$program" "$folder/sweep.lua" -q -j 2 --store "$folder/chaos.db" >/dev/null 2>&1 &
  coordinator=$!
  sleep "0.$((RANDOM % 30 + 10))"
  zygote=$(children $coordinator)
  read -r -a workers <<<"$(children "${zygote:-0}")"
  case $((RANDOM % 4)) in
  0) kill -9 $coordinator ;;
  1) kill -9 ${zygote:-$coordinator} ;;
  2) kill -9 "${workers[0]:-$coordinator}"; sleep 0.1; kill -9 $coordinator ;;
  3) kill -9 -- -$coordinator ;;
  esac 2>/dev/null
  wait $coordinator 2>/dev/null
done
"$program" "$folder/sweep.lua" -q --store "$folder/chaos.db" >"$folder/after" || exit 1
cmp "$folder/calm" "$folder/after" || exit 1
sleep 1
if grep -lsF "$folder/sweep.lua" /proc/[0-9]*/cmdline; then
  echo "processes of the sweep outlived it"
  exit 1
fi
echo "the table is the same after $kills kills"
