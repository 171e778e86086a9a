#!/usr/bin/env bash
# Makes sure that a build can start: a Rust toolchain and a C compiler. Installs Debian packages only when something
# is missing and only when it may; says what to do otherwise.
set -euo pipefail

# The C parts (SQLite, QuickJS, ring) need a compiler with the C library's headers.
compiles_c() {
  command -v cc >/dev/null 2>&1 || return 1
  printf '#include <stdio.h>\nint main(void) { return puts(""); }\n' | cc -x c -o /dev/null - 2>/dev/null
}

missing=()
compiles_c || missing+=(build-essential)

if [ "${#missing[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    printf 'error: no working C compiler\nhint: install one with its C library headers (on Debian: %s)\n' "${missing[*]}" >&2
    exit 5
  fi
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
      printf 'error: missing system packages: %s\nhint: apt-get install %s (as root), then run this again\n' \
        "${missing[*]}" "${missing[*]}" >&2
      exit 5
    fi
    as_root=(sudo -n)
  fi
  printf 'installing %s\n' "${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

if ! command -v cargo >/dev/null 2>&1; then
  version=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$(dirname "$0")/../rust-toolchain.toml")
  printf 'error: cargo is not on the path\nhint: install Rust %s with rustup (https://rustup.rs), then run this again\n' "$version" >&2
  exit 5
fi
