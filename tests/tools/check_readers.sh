#!/usr/bin/env bash
# Many processes read a store while a sweep of 8 workers writes it: none may fail. With the words "time" it
# also tells how much longer the sweep takes.   usage: tests/tools/check_readers.sh [READERS (64)] [time]
set -u
cd "$(dirname "$0")/../.." || exit 1
readers=${1:-${NNRUN_REDUCED:+8}} readers=${readers:-64}
program=$(realpath "${NNRUN:-./nnrun}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/sweep.lua" <<'LUA'
local search, proc = require "search", require "core.proc"
local began = proc.now()
search.sweep {
  name = "read", objective = "max score", sampler = "random", trials = tonumber(os.getenv "TRIALS"), quiet = true,
  table = false, workers = 8, space = { x = search.float(0, 1) },
  run = function(trial)
    for epoch = 1, 5 do
      proc.sleep(0.004)
      trial:report(epoch, { score = trial.params.x * epoch })
    end
  end,
}
print(("%.3f"):format(proc.now() - began))
LUA

# A reader opens the store, asks for studies, trials and metrics, and closes it, about once a second until the
# sweep is over; some use the program's commands.
cat >"$folder/reader.lua" <<'LUA'
local store, proc = require "core.store", require "core.proc"
local path, over, seed = arg[1], arg[2], tonumber(arg[3])
math.randomseed(seed)
while not io.open(over) do
  local opened = assert(store.open(path, "read"))
  local study = assert(opened:rows("study_list"))[1]
  local trial = assert(opened:rows("trial_get", study.id, math.random(20)))[1]
  assert(opened:rows("metric_of_trial", trial and trial.id or 1))
  opened:close()
  proc.sleep(0.5 + math.random())
end
LUA
read_on() {
  "$program" "$folder/reader.lua" "$folder/busy.db" "$folder/over" "$1" 2>>"$folder/errors" ||
    echo "a reader ended with $?" >>"$folder/errors"
}
look_on() {
  while [[ ! -e $folder/over ]]; do
    { "$program" list "$folder/busy.db" && "$program" best "$folder/busy.db" && "$program" show "$folder/busy.db" 3; } \
      >/dev/null 2>>"$folder/errors" || echo "a command ended with $?" >>"$folder/errors"
    sleep 2
  done
}

export TRIALS=${NNRUN_REDUCED:+200}
TRIALS=${TRIALS:-1500}
calm=$("$program" "$folder/sweep.lua" --store "$folder/calm.db") || exit 1
"$program" "$folder/sweep.lua" --store "$folder/busy.db" >"$folder/seconds" &
sweep=$!
until "$program" best "$folder/busy.db" >/dev/null 2>&1; do sleep 0.05; done
look_on &
for ((i = 1; i < readers; i++)); do read_on $i & done
wait $sweep
status=$?
touch "$folder/over"
wait
[[ $status == 0 ]] || { echo "the sweep ended with $status"; exit 1; }
if [[ -s $folder/errors ]]; then
  sort "$folder/errors" | uniq -c | head
  exit 1
fi
cmp <("$program" export "$folder/calm.db") <("$program" export "$folder/busy.db") || exit 1
echo "$readers readers, no error"
[[ ${2:-} != time ]] || echo "alone $calm s, with readers $(cat "$folder/seconds") s"
