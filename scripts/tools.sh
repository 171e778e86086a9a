#!/usr/bin/env bash
# Installs the tools that the checks use, at pinned versions, into a directory outside the checkout.
#
# A tool already on the path at its pinned version is taken as it is. They are built one after another: each build uses
# every core anyway. The build's own files are removed once a tool is there.
#
#   tools.sh           what the checks use
#   tools.sh bundle    what packages are made with
set -euo pipefail

tools=${BELAY_TOOLS:-$HOME/.cache/belay/tools}
mkdir -p "$tools"

# need CRATE VERSION FEATURES COMMAND...: COMMAND prints the version of an installed tool.
need() {
  local crate=$1 version=$2 features=$3
  shift 3
  if "$@" 2>/dev/null | grep -qF "$version"; then
    return
  fi
  printf '\n== installing %s %s (once, into %s)\n' "$crate" "$version" "$tools"
  local started=$SECONDS build="$tools/build"
  CARGO_TARGET_DIR="$build" cargo install --quiet --locked --root "$tools" --features "$features" "$crate@$version"
  rm -rf "$build"
  printf '== %s: built in %d s\n' "$crate" "$((SECONDS - started))"
}

case "${1:-checks}" in
  checks)
    need cargo-nextest 0.9.143 '' cargo nextest --version
    need cargo-deny 0.20.2 '' cargo deny --version
    need typos-cli 1.52.0 '' typos --version
    ;;
  bundle)
    need cargo-about 0.9.3 cli cargo about --version
    ;;
  *)
    printf 'error: tools.sh knows no part `%s`\n' "$1" >&2
    exit 2
    ;;
esac
