#!/usr/bin/env bash
# Runs a command under a heading and says how long it took. Usage: timed.sh HEADING COMMAND...
set -euo pipefail
heading=$1
shift
printf '\n== %s\n' "$heading"
started=$SECONDS
status=0
"$@" || status=$?
if [ "$status" -ne 0 ]; then
  printf 'error: %s failed after %d s: %s\n' "$heading" "$((SECONDS - started))" "$*" >&2
  exit "$status"
fi
printf '== %s: done in %d s\n' "$heading" "$((SECONDS - started))"
