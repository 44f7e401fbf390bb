#!/usr/bin/env bash
# The work of `make install` and `make uninstall`, which set the variables used here. Of the headers
# those are copied that core/nnrun.h includes, directly or not.
set -euo pipefail

root=$DESTDIR$PREFIX
program=$root/bin/nnrun
library=$root/lib/libnnrun.a
pc=$root/lib/pkgconfig/nnrun.pc
man=$root/share/man/man1/nnrun.1
headers=$root/include/nnrun

case $1 in
install)
  install -Dm755 "$PROGRAM" "$program"
  install -Dm644 "$LIBRARY" "$library"
  install -Dm644 docs/nnrun.1 "$man"
  rm -rf "$headers"
  # shellcheck disable=SC2086
  for header in $($CC -std=gnu11 -D_GNU_SOURCE $FLAGS -MM core/nnrun.h | tr -s ' \\\n:' '\n' | grep '^core/'); do
    install -Dm644 "$header" "$headers/${header#core/}"
  done
  install -d "${pc%/*}"
  sed -e "s|@PREFIX@|$PREFIX|" -e "s|@VERSION@|$VERSION|" -e "s|@LIBS@|$LIBS|" core/nnrun.pc.in >"$pc"
  chmod 644 "$pc"
  echo "nnrun $VERSION is installed below $root"
  ;;
uninstall)
  rm -f "$program" "$library" "$pc" "$man"
  rm -rf "$headers"
  ;;
esac
