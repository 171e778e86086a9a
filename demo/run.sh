#!/usr/bin/env bash
# Plays an incident on this machine: a bad release makes a small shop slow. The first remedy fails its check and is
# taken back; the second one works. Unattended, repeatable, and ends only what it started.
set -euo pipefail
cd "$(dirname "$0")/.."

bin="${CARGO_TARGET_DIR:-$HOME/.cache/belay/target}/${BELAY_DEMO_PROFILE:-release}"
export PATH="$bin:$PATH"
folder=$(mktemp -d "${TMPDIR:-/tmp}/belay-demo.XXXXXX")
export BELAY_HOME="$folder/home"
shop_pid=

tidy() {
  local status=$?
  if [ -n "$shop_pid" ]; then
    kill "$shop_pid" 2>/dev/null || true
    wait "$shop_pid" 2>/dev/null || true
  fi
  if [ "${BELAY_DEMO_KEEP:-}" = true ]; then
    printf 'kept: %s\n' "$folder"
  else
    rm -rf "$folder"
  fi
  exit "$status"
}
trap tidy EXIT
trap 'exit 130' INT TERM

say() { printf '\n• %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
# json EXPRESSION: a value out of the JSON document on standard input; EXPRESSION is JavaScript over `d`.
json() { node -e 'const d = JSON.parse(require("fs").readFileSync(0, "utf8")); const v = eval(process.argv[1]); console.log(v ?? "")' "$1"; }
ctl() { belay-shop ctl --url "$url" "$@"; }

# until_shop EXPRESSION: waits until the shop's figures are so, at most 30 seconds.
until_shop() {
  for _ in $(seq 120); do
    if [ "$(ctl stats | json "$1")" = true ]; then return; fi
    sleep 0.25
  done
  fail "the shop never came to: $1 ($(ctl stats))"
}

# belay_may ALLOWED COMMAND...: runs belay, and fails unless its exit code is one of ALLOWED.
belay_may() {
  local allowed=$1 status=0
  shift
  belay "$@" >"$folder/answer.json" 2>"$folder/diagnostics" || status=$?
  case " $allowed " in
  *" $status "*) ;;
  *)
    cat "$folder/diagnostics" "$folder/answer.json" >&2
    fail "belay $* ended with $status, expected $allowed"
    ;;
  esac
}

status_of() { belay status "$1" --json | json d.status; }

# drive EXECUTION: approves what waits for approval and goes on, until the execution ends.
drive() {
  local execution=$1 round status step
  for round in $(seq 10); do
    status=$(status_of "$execution")
    case $status in
    completed | failed | rolled_back | aborted | stuck) return ;;
    esac
    step=$(belay status "$execution" --json | json 'd.waiting_on.find(w => w.kind === "approval")?.step')
    if [ -n "$step" ]; then
      say "Step \"$step\" changes the shop, so Belay waits. We approve exactly what it shows:"
      belay status "$execution" --json | json '"  digest " + d.steps.find(s => s.approval?.status === "pending" || s.status === "waiting_approval").approval.digest'
      target=$(belay status "$execution" --json | json 'd.waiting_on.find(w => w.kind === "approval").target ?? "local"')
      belay_may "0" approve "$execution" "$step" --target "$target" --comment 'seen and understood' --no-input --json
    fi
    belay_may "0 1 3" resume "$execution" --no-input --json
  done
  fail "execution $execution did not end after $round rounds ($(status_of "$execution"))"
}

say "A small shop opens on this machine, with release 1.4.2 and customers of its own."
belay-shop serve --dir "$folder/shop" >"$folder/shop.out" 2>&1 &
shop_pid=$!
for _ in $(seq 100); do
  [ -s "$folder/shop/url" ] && break
  kill -0 "$shop_pid" 2>/dev/null || fail "the shop did not start: $(cat "$folder/shop.out")"
  sleep 0.1
done
url=$(cat "$folder/shop/url")
port=${url##*:}
ctl warm >/dev/null
until_shop 'd.healthy'
printf '  %s\n' "$(ctl stats)"

say "Release 2.0.0 goes out. It puts the customer into the cache's key, so no price is ever found."
ctl version 2.0.0 >/dev/null
until_shop 'd.visits >= 60 && d.hitRate < 0.2 && !d.healthy'
printf '  %s\n' "$(ctl stats)"

say "An alert comes in. Which runbook is for it?"
belay catalog add demo >/dev/null
belay search --alert demo/alert.json --json | json 'd.slice(0, 3).map(r => "  " + r.id + "  " + r.title).join("\n")'

say "What would happen? The plan changes nothing."
belay plan checkout-slow --alert demo/alert.json --var url="$url" --var port="$port" --json |
  json 'd.steps.map(s => "  " + s.name + (s.effect ? " (" + s.effect + ")" : "")).join("\n")'

say "First try: release 2.0.1, which is said to fix it."
belay_may "0 1 3" run checkout-slow --alert demo/alert.json --var url="$url" --var port="$port" --var targetVersion=2.0.1 --no-input --json
first=$(belay executions --json | json 'd[0].execution')
drive "$first"
[ "$(status_of "$first")" = rolled_back ] || fail "the first try should have been rolled back, and is $(status_of "$first")"
version=$(ctl stats | json d.version)
[ "$version" = 2.0.0 ] || fail "the rollback should have brought 2.0.0 back, and $version runs"
say "It did not help: the check failed, and Belay took both changes back. Release $version runs as before."

say "Second try: back to release 1.4.2."
until_shop 'd.visits >= 60 && d.hitRate < 0.2'
belay_may "0 1 3" run checkout-slow --alert demo/alert.json --var url="$url" --var port="$port" --var targetVersion=1.4.2 --no-input --json
second=$(belay executions --json | json "d.find(e => e.execution !== '$first').execution")
drive "$second"
[ "$(status_of "$second")" = completed ] || fail "the second try should have completed, and is $(status_of "$second")"
until_shop 'd.healthy'
say "The shop is healthy again."
printf '  %s\n' "$(ctl stats)"

say "What happened is signed and chained; it verifies on its own."
belay audit verify "$first" >/dev/null && belay audit verify "$second" >/dev/null
say "And the shop's own log agrees:"
sed 's/^/  /' "$folder/shop/world.jsonl"
