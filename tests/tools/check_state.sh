#!/usr/bin/env bash
# The library keeps no state of its own: no object in it has writable data, but for the few named
# here with their reason.
cd "$(dirname "$0")/../.." || exit 1
library=${NNRUN_BUILD:-build}/libnnrun.a
[[ -e $library ]] || { echo "no $library"; exit 1; }

# OBJECT:SYMBOL. The functions of a library loaded once per process, and the lock of that.
allowed='^gemm\.o:|^hdf5\.o:'

found=$(objdump -t "$library" | awk '
  / file format / { object = $1; sub(/:$/, "", object) }
  # Symbols that are objects (O) of the writable sections; .data.rel.ro is constant once loaded and
  # .tdata/.tbss belong to one thread.
  $0 ~ / O (\.data|\.bss|\.data\.[^r].*|\*COM\*)\t/ { print object ":" $NF }' |
  grep -vE "$allowed")
[[ -z $found ]] && exit 0
echo "writable global state in $library:"
echo "$found"
exit 1
