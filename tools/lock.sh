#!/usr/bin/env bash
# Resolve pyproject.toml and write requirements/*.txt with a hash for each file that pip may fetch.
set -euo pipefail
cd "$(dirname "$0")/.."
# `tools/lock.sh --upgrade` also moves what is locked already.
more=("$@")
lock() {
  local out=$1
  shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --custom-compile-command "make lock" "${more[@]}" pyproject.toml "$@" -o "requirements/$out.txt"
  echo "lock: requirements/$out.txt"
}
lock operator --extra operator
lock components --extra components
lock dev --extra operator --extra apprise --extra components --group dev
lock oracles --extra components --group dev --group oracles
lock contracts --extra components --group contracts
