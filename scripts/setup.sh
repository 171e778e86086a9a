#!/usr/bin/env bash
# Makes sure that a build can start. Installs Debian packages only when something is missing and only when it may; says
# what to do otherwise.
#
#   setup.sh            the terminal cockpit: a Rust toolchain, a C compiler, Node for the user interface
#   setup.sh desktop    the desktop cockpit, too: the web view's libraries
#   setup.sh test       what the tests drive: a display without a screen, browsers and their drivers, tmux, a keyring
#   setup.sh bundle     what packages are made with
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

# at_least WANTED HAVE: whether a version is not older than another one.
at_least() { printf '%s\n%s\n' "$1" "$2" | sort -V -C; }

# What Debian does not have in a usable version is looked at first: nothing is installed for a build that cannot start.
lacking=0
lacks() {
  printf 'error: %s\nhint: %s, then run this again\n' "$1" "$2" >&2
  lacking=1
}

rust=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")
if ! command -v cargo >/dev/null 2>&1; then
  lacks 'cargo is not on the path' "install Rust $rust with rustup (https://rustup.rs)"
elif have=$(cd "$root" && cargo --version) && have=${have#cargo } && ! at_least "$rust" "${have%% *}"; then
  lacks "cargo ${have%% *} is too old" "install Rust $rust with rustup (https://rustup.rs)"
fi

node=$(sed -n 's/.*"node": ">=\([0-9.]*\)".*/\1/p' "$root/ui/package.json")
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  lacks 'node and npm are not both on the path' "install Node $node or newer"
elif have=$(node --version) && ! at_least "$node" "${have#v}"; then
  lacks "node ${have#v} is too old" "install Node $node or newer"
fi

[ "$lacking" -eq 0 ] || exit 5

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
      program redis-server redis-server
      program prometheus prometheus
      # Debian keeps the programs of each version off the path.
      compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
      fc-list 2>/dev/null | grep -q . || missing+=(fonts-dejavu-core)
      ;;
    bundle)
      program dpkg-shlibdeps dpkg-dev
      program readelf binutils
      ;;
    *)
      printf 'error: setup.sh knows no part `%s`\n' "$part" >&2
      exit 2
      ;;
  esac
done

[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  printf 'error: missing system packages\nhint: install what Debian calls %s, then run this again\n' "${missing[*]}" >&2
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

# Quiet, unless it fails: hundreds of lines about packages would hide what the build says.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
as_told() {
  "${as_root[@]}" "$@" </dev/null >"$said" 2>&1 && return
  cat "$said" >&2
  printf 'error: the packages could not be installed: %s\nhint: apt-get install %s (as root), then run this again\n' \
    "${missing[*]}" "${missing[*]}" >&2
  exit 5
}
started=$SECONDS
printf 'installing %s\n' "${missing[*]}"
as_told apt-get update -qq
as_told env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
printf 'installed in %d s\n' "$((SECONDS - started))"
