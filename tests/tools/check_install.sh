#!/usr/bin/env bash
# `make install DESTDIR=` puts down a program, a library and a pkg-config file with which a C program
# compiles, links and runs; `make uninstall` takes all of it away.
cd "$(dirname "$0")/../.." || exit 1
build=${NNRUN_BUILD:-build}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
set -e

make --no-print-directory BUILD="$build" DESTDIR="$root" PREFIX=/usr install
test -x "$root/usr/bin/nnrun"
test -s "$root/usr/share/man/man1/nnrun.1"
[[ $("$root/usr/bin/nnrun" -e 'print(6 * 7)') == 42 ]]

export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
# shellcheck disable=SC2046
${CC:-gcc} -std=gnu11 -Wall -Werror -o "$root/example" tests/tools/example.c $(pkg-config --cflags --libs nnrun)
"$root/example"
version=$(pkg-config --modversion nnrun)
"$root/usr/bin/nnrun" -v | grep -qF "nnrun $version"

make --no-print-directory BUILD="$build" DESTDIR="$root" PREFIX=/usr uninstall
left=$(find "$root/usr" -type f)
[[ -z $left ]] || { echo "left behind: $left"; exit 1; }
