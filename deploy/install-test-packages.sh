#!/bin/sh
# Installs what the tests need beside Python packages: a C++ compiler, Fashion-MNIST's files and Prometheus' promtool, from
# the Debian or Ubuntu archive. On other systems, install the compiler and promtool yourself and point ANYTIME_TEST_DATA at
# Fashion-MNIST's four files.
set -eu

missing=""
command -v c++ >/dev/null 2>&1 || missing="$missing g++"
[ -n "${ANYTIME_TEST_DATA:-}" ] || dpkg -s dataset-fashion-mnist >/dev/null 2>&1 || missing="$missing dataset-fashion-mnist"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need:$missing. Install them, and set ANYTIME_TEST_DATA to a folder with Fashion-MNIST." >&2
    exit 1
fi

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
