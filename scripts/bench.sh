#!/usr/bin/env bash
# Builds the release binary and measures what a responder waits for, each over several runs.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --package belay-terminal
belay="${CARGO_TARGET_DIR:-$HOME/.cache/belay/target}/release/belay"
runs=${BELAY_BENCH_RUNS:-20}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

# measure NAME COMMAND...: the least, middle and greatest wall time in milliseconds.
measure() {
  local name=$1 times=() started ended
  shift
  for _ in $(seq "$runs"); do
    started=$(date +%s%N)
    "$@" >/dev/null
    ended=$(date +%s%N)
    times+=($(((ended - started) / 1000)))
  done
  printf '%s\n' "${times[@]}" | sort -n | awk -v name="$name" \
    '{ t[NR] = $1 / 1000 } END { printf "%-28s min %7.1f ms   median %7.1f ms   max %7.1f ms\n", name, t[1], t[int((NR + 1) / 2)], t[NR] }'
}

export BELAY_HOME="$home"
measure 'start (--version)' "$belay" --version
measure 'search' "$belay" search 'checkout is slow' --json
measure 'show' "$belay" show high-latency --format json
measure 'validate the catalog' "$belay" validate runbooks --format json
measure 'plan offline' "$belay" plan high-latency --offline --json --var deployment=checkout --var namespace=shop
