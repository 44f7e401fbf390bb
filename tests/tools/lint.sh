#!/usr/bin/env bash
# clang-format, clang-tidy and luacheck over the whole source; the exit status says if all is well.
# `make lint` sets FLAGS (include paths and HAVE_*) and JOBS.
set -uo pipefail
cd "$(dirname "$0")/../.."
status=0

mapfile -t c_files < <(find core bindings tests -name '*.[ch]' | sort)
clang-format --dry-run -Werror "${c_files[@]}" || status=1

# Kernels are looked at as compiled for float32 and the baseline instruction set; what only gcc has is
# replaced by something of the same type. They rely on shapes that were checked elsewhere, and pad
# buffers to whole vectors, of which the analyser knows nothing: it does not look for what is
# uninitialised there.
tidy_some() {
  local checks=
  [[ $1 == */kernel/* ]] && checks='-clang-analyzer-core.uninitialized.*,-clang-analyzer-core.CallAndMessage,-clang-analyzer-core.UndefinedBinaryOperatorResult'
  # shellcheck disable=SC2086
  clang-tidy --quiet ${checks:+--checks="$checks"} "$@" -- -std=gnu11 -D_GNU_SOURCE $FLAGS -DREAL_F32 -DISA=base \
    '-D__builtin_shuffle(a, b, mask)=((a) + (b))' 2>&1 |
    grep -vE '^[0-9]+ warnings?( and [0-9]+ errors?)? (generated|treated)|^Suppressed|^Use -header'
  return "${PIPESTATUS[0]}"
}
export -f tidy_some
printf '%s\n' "${c_files[@]}" | grep -E '^(core|bindings)/.*\.c$' |
  xargs -P "${JOBS:-2}" -n 1 bash -c 'tidy_some "$@"' tidy || status=1

luacheck --no-color -q scripts experiments tests || status=1

[[ $status -eq 0 ]] && echo "lint: nothing found in ${#c_files[@]} C files and the Lua scripts"
exit $status
