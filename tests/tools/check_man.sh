#!/usr/bin/env bash
# The man page names every option and every command there is, and formats without a warning.
cd "$(dirname "$0")/../.." || exit 1
page=docs/nnrun.1
missing=0

# expect WHAT WORD...: words that must be in the page as they are typed.
expect() {
  local what=$1 word
  shift
  [[ $# -gt 0 ]] || { echo "found no $what to look for"; missing=1; }
  for word in "$@"; do
    sed 's/\\-/-/g; s/\\f[RIB]//g' "$page" | grep -qE "^\.(B|BI|BR|RB) (.*[ \"])?$word([ ,\"]|\$)" ||
      { echo "$page does not mention the $what $word"; missing=1; }
  done
}

mapfile -t options < <("$NNRUN" -h | sed -n 's/^  \(-[a-zA-Z-]*\) .*/\1/p')
mapfile -t sweep_options < <(sed -n 's/^  { "\(--*[a-z]*\)", "[a-z]*", "[a-z]*".*/\1/p' scripts/search/args.lua)
mapfile -t commands < <(sed -n 's/^    name = "\([a-z]*\)".*/\1/p' scripts/cli.lua)
expect option "${options[@]}"
expect "option of a sweep" "${sweep_options[@]}"
expect command "${commands[@]}"

if command -v groff >/dev/null; then
  warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
  [[ -z $warnings ]] || { echo "$warnings"; missing=1; }
fi
exit $missing
