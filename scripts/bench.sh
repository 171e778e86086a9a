#!/usr/bin/env bash
# Builds the release binary and measures what a responder waits for: single commands over several runs, then the benches,
# which print ratios against a floor of the same run and fail when a limit does not hold.
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

# Chaos Toolkit runs the same twenty steps beside Belay, where it can be installed.
tools=${BELAY_TOOLS:-$HOME/.cache/belay/tools}
if [ ! -x "$tools/chaos/bin/chaos" ] && command -v python3 >/dev/null; then
  { python3 -m venv "$tools/chaos" && "$tools/chaos/bin/pip" install --quiet 'chaostoolkit==1.19.0'; } >/dev/null 2>&1 ||
    printf 'Chaos Toolkit cannot be installed here; its figure is left out\n'
fi
if [ -x "$tools/chaos/bin/chaos" ]; then export BELAY_CHAOS="$tools/chaos/bin/chaos"; fi
export BELAY_BIN="$belay"
held=0
for bench in ${BELAY_BENCHES:-core search cockpit cluster faces}; do
  printf '\n%s\n' "$bench"
  if [ "$bench" = faces ]; then
    cargo build --release --locked --package belay-desktop
    BELAY_DESKTOP="${belay}-desktop" scripts/ui.sh bench || held=1
  else
    cargo bench --locked --package belay-tests --bench "$bench" || held=1
  fi
done
exit "$held"
