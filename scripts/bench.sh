#!/usr/bin/env bash
# Measures what Belay costs beside floors taken in the same run. Chaos Toolkit runs beside it where it can be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$HOME/.cache/belay/target}"
tools="${BELAY_TOOLS:-$HOME/.cache/belay/tools}"
export CARGO_TARGET_DIR="$target"

cargo build --release --locked --package belay-terminal
export BELAY_BIN="$target/release/belay"

chaos="$tools/chaostoolkit/bin/chaos"
if [ ! -x "$chaos" ] && command -v python3 >/dev/null; then
  python3 -m venv "$tools/chaostoolkit" && "$tools/chaostoolkit/bin/pip" install --quiet 'chaostoolkit==1.19.0' ||
    printf 'Chaos Toolkit could not be installed; the comparison is left out\n' >&2
fi
if [ -x "$chaos" ]; then export BELAY_CHAOS="$chaos"; fi

cargo bench --locked --package belay-tests --bench core
