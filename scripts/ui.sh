#!/usr/bin/env bash
# Builds the user interface into ui/dist, unless what it is made of is as it was.
#
#   ui.sh build    the files that the programs embed
#   ui.sh check    types, lints, format, unit tests
#   ui.sh e2e      the real program in a real browser; BELAY_BIN names the program
#   ui.sh bench    what the faces cost there and in the window; BELAY_DESKTOP names the latter's program
set -euo pipefail
cd "$(dirname "$0")/../ui"

# The packages are installed anew only when the lock file is another one.
installed=node_modules/.belay-lock
if ! cmp -s package-lock.json "$installed" 2>/dev/null; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$installed"
fi

sources() {
  find src public index.html package.json package-lock.json svelte.config.js tsconfig.json vite.config.ts -type f -print0 |
    sort -z | xargs -0 sha256sum | sha256sum
}

case "${1:-build}" in
  build)
    made=node_modules/.belay-dist
    if [ -f dist/index.html ] && [ "$(sources)" = "$(cat "$made" 2>/dev/null)" ]; then
      exit 0
    fi
    npm run --silent build -- --logLevel warn
    sources >"$made"
    ;;
  check)
    npm run --silent check
    npm run --silent lint
    npm run --silent test
    ;;
  e2e | bench)
    npm run --silent "$1"
    ;;
  *)
    printf 'error: ui.sh knows no `%s`\n' "$1" >&2
    exit 2
    ;;
esac
