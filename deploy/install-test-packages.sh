#!/bin/sh
# Installs what the tests need beside Python packages: a C++ compiler, Fashion-MNIST's files, Prometheus and Chromium, from
# the Debian or Ubuntu archive. On other systems, install the compiler, Prometheus and Chromium (or Chrome) yourself, point
# ANYTIME_TEST_DATA at Fashion-MNIST's four files and ANYTIME_TEST_CHROMIUM at the browser.
set -eu

missing=""
command -v c++ >/dev/null 2>&1 || missing="$missing g++"
[ -n "${ANYTIME_TEST_DATA:-}" ] || dpkg -s dataset-fashion-mnist >/dev/null 2>&1 || missing="$missing dataset-fashion-mnist"
{ command -v promtool && command -v prometheus; } >/dev/null 2>&1 || missing="$missing prometheus"
[ -n "${ANYTIME_TEST_CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need:$missing. Install them, and set ANYTIME_TEST_DATA and ANYTIME_TEST_CHROMIUM." >&2
    exit 1
fi

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
