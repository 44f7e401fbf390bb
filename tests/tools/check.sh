#!/usr/bin/env bash
# Run tests and add up what they report.
#
#   check.sh PROGRAM BUILD PART...
#
# Parts: `c` runs BUILD/tests/test_*, `lua` tests/lua/test_*.lua, `tools` tests/tools/check_*.sh
# (exit status 0 passed, 77 skipped). One line each, the whole output of what fails. The last line is
# 'N passed, N failed, N skipped'; the exit status is 1 when anything failed.
set -uo pipefail
cd "$(dirname "$0")/../.."

program=$1 build=$2
shift 2
[[ $program == /* ]] || program=$PWD/$program
export NNRUN=$program NNRUN_BUILD=$build
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:check_initialization_order=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
seconds=${CHECK_SECONDS:-600} # for one test program

passed=0 failed=0 skipped=0
failures=()
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# report NAME STATUS PASSED FAILED SKIPPED: the output of the test is in $output.
report() {
  local name=$1 status=$2 ok=$3 bad=$4 skip=$5
  # A program that died, or found something only after its tests, failed once more.
  [[ $status -ne 0 && $bad -eq 0 ]] && bad=1
  [[ $status -eq 0 && $((ok + bad + skip)) -eq 0 ]] && bad=1 && echo "(no test was run)" >>"$output"
  printf '%-34s %4d passed' "$name" "$ok"
  [[ $skip -gt 0 ]] && printf ', %d skipped' "$skip"
  [[ $bad -gt 0 ]] && printf ', %d FAILED (exit status %d)' "$bad" "$status"
  [[ $SECONDS -ge 10 ]] && printf ' (%d s)' "$SECONDS"
  printf '\n'
  if [[ $bad -gt 0 ]]; then
    failures+=("$name")
    sed 's/^/    /' "$output"
  fi
  SECONDS=0
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

# count WORD: the number of tests cmocka's summary line gives for it.
count() {
  local number
  number=$(sed -n "s/^\[  $1 *\] \([0-9]*\) test(s).*/\1/p" "$output" | tail -n 1)
  echo "${number:-0}"
}

run_c() {
  local test
  for test in tests/c/test_*.c; do
    test=$(basename "$test" .c)
    timeout -k 5 "$seconds" "$build/tests/$test" >"$output" 2>&1 </dev/null
    report "tests/c/$test" $? "$(count PASSED)" "$(count FAILED)" "$(count SKIPPED)"
  done
}

run_lua() {
  local test status line
  for test in tests/lua/test_*.lua; do
    timeout -k 5 "$seconds" "$program" "$test" >"$output" 2>&1 </dev/null
    status=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$output" | tail -n 1)
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
      report "$test" "$status" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]:-0}"
      grep -E '^SKIP' "$output"
    else
      report "$test" "$([[ $status -ne 0 ]] && echo "$status" || echo 1)" 0 1 0
    fi
  done
}

run_tools() {
  local tool status
  for tool in tests/tools/check_*.sh; do
    timeout -k 5 "$seconds" bash "$tool" >"$output" 2>&1 </dev/null
    status=$?
    case $status in
      0) report "$tool" 0 1 0 0 ;;
      77) report "$tool" 0 0 0 1; tail -n 1 "$output" | sed 's/^/    skipped: /' ;;
      *) report "$tool" "$status" 0 1 0 ;;
    esac
  done
}

for part in "$@"; do "run_$part"; done

[[ ${#failures[@]} -gt 0 ]] && printf '\nFailed:\n' && printf '  %s\n' "${failures[@]}"
echo
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
