#!/usr/bin/env bash
# Runs the documentation examples, if there are any: building for none of them costs a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! grep -rqE '^\s*//[/!] ```(rust|no_run|should_panic|compile_fail)?$' --include='*.rs' crates/*/src; then
  exit 0
fi
exec scripts/timed.sh 'documentation examples' cargo test --doc "$@"
