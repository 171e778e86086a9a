#!/usr/bin/env bash
# Fails when a committed file that a program writes differs from what it writes now, or when the tests left
# something behind in the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

# The lock file has to satisfy every manifest as it is.
cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" >/dev/null

# Snapshots and golden files that a test wanted to write anew.
leftovers=$(git ls-files --others --exclude-standard -- '*.snap.new' '*.pending-snap' 2>/dev/null || true)
ignored=$(find crates tests -name '*.snap.new' -o -name '.*.pending-snap' 2>/dev/null || true)
if [ -n "$leftovers$ignored" ]; then
  printf 'error: snapshots differ from what is committed:\n%s\n%s\nhint: cargo insta review\n' "$leftovers" "$ignored" >&2
  exit 1
fi

if [ "${CI:-}" = true ] && [ -n "$(git status --porcelain)" ]; then
  git status --short >&2
  printf 'error: the checks changed the checkout\nhint: commit what they generate, or make them write elsewhere\n' >&2
  exit 1
fi
