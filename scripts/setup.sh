#!/usr/bin/env bash
# Makes sure that a build can start. Installs Debian packages only when something is missing and only when it may; says
# what to do otherwise.
#
#   setup.sh            the terminal cockpit: a Rust toolchain, a C compiler, Node for the user interface
#   setup.sh desktop    the desktop cockpit, too: the web view's libraries
#   setup.sh test       what the tests drive: a display without a screen, browsers and their drivers, tmux, a keyring
#   setup.sh bundle     what packages are made with
set -euo pipefail

# The C parts (SQLite, QuickJS, ring) need a compiler with the C library's headers.
compiles_c() {
  command -v cc >/dev/null 2>&1 || return 1
  printf '#include <stdio.h>\nint main(void) { return puts(""); }\n' | cc -x c -o /dev/null - 2>/dev/null
}

missing=()
compiles_c || missing+=(build-essential)

# library NAME PACKAGE: a library that pkg-config has to find.
library() { pkg-config --exists "$1" 2>/dev/null || missing+=("$2"); }
# program NAME PACKAGE: a program that has to be on the path.
program() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }

for part in "$@"; do
  case "$part" in
    desktop)
      program pkg-config pkg-config
      library webkit2gtk-4.1 libwebkit2gtk-4.1-dev
      library gtk+-3.0 libgtk-3-dev
      library librsvg-2.0 librsvg2-dev
      ;;
    test)
      program Xvfb xvfb
      program WebKitWebDriver webkit2gtk-driver
      program chromium chromium
      program tmux tmux
      program dbus-run-session dbus-daemon
      program gnome-keyring-daemon gnome-keyring
      fc-list 2>/dev/null | grep -q . || missing+=(fonts-dejavu-core)
      ;;
    bundle)
      program rpmbuild rpm
      program rsvg-convert librsvg2-bin
      ;;
    *)
      printf 'error: setup.sh knows no part `%s`\n' "$part" >&2
      exit 2
      ;;
  esac
done

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

if ! command -v npm >/dev/null 2>&1; then
  printf 'error: npm is not on the path\nhint: install Node 20.19 or newer, then run this again\n' >&2
  exit 5
fi
