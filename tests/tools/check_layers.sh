#!/usr/bin/env bash
# The house keeps its floors: a file in core/ includes only from lower rooms or its own, knows no
# Lua, prints nothing, and never ends the program.
cd "$(dirname "$0")/../.." || exit 1
shopt -s nullglob globstar

declare -A level=([base]=0 [tensor]=1 [store]=1 [proc]=1 [search]=1 [op]=2 [graph]=3 [layer]=4 [data]=4
  [train]=5 [model]=5)
found=0
finding() {
  echo "$*"
  found=1
}

for file in core/*/**/*.[ch] core/*/**/*.def; do
  room=${file#core/}
  room=${room%%/*}
  if [[ -z ${level[$room]+set} ]]; then
    finding "$file: room '$room' has no level in $0"
    continue
  fi
  while IFS=: read -r line include; do
    other=${include%%/*}
    if [[ $include != */* ]]; then
      [[ -e ${file%/*}/$include ]] || finding "$file:$line: includes \"$include\" without its room"
    elif [[ -z ${level[$other]+set} ]]; then
      finding "$file:$line: includes \"$include\", which is in no room of core/"
    elif [[ $other != "$room" && ${level[$other]} -ge ${level[$room]} ]]; then
      finding "$file:$line: $room (level ${level[$room]}) includes \"$include\" (level ${level[$other]})"
    fi
  done < <(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/;T;=;p' "$file" | paste -d: - -)
done

finding_in_core() {
  local text
  text=$(grep -nE "$1" core -r --include='*.[ch]') && finding "$2"$'\n'"$text"
}
finding_in_core '#[ \t]*include[ \t]*<l(ua|auxlib|ualib)' "core knows no Lua:"
finding_in_core '(^|[^_a-zA-Z0-9.>"])(printf|puts|putchar|perror|vprintf)[ \t]*\(|f(printf|puts|putc|write) *\([^;]*std(out|err)' \
  "core prints nothing:"
finding_in_core '(^|[^_a-zA-Z0-9.>"])(exit|abort|quick_exit)[ \t]*\(' "core never ends the program:"
exit $found
