#!/usr/bin/env bash
# Tells every test that nextest starts not to ask the keyring of this session.
set -euo pipefail
printf 'BELAY_KEYRING=off\n' >>"$NEXTEST_ENV"
