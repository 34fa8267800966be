#!/usr/bin/env bash
# Create .venv from the hash-locked requirements; a bare Debian gets the venv module first.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "Python 3.11 or newer is needed; '$python' is $("$python" --version 2>&1 || echo missing). Set PYTHON=… to another." >&2
  exit 1
}
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "venv: installing the system's python3-venv"
    mkdir -p build
    { apt-get update && apt-get install -y --no-install-recommends python3-venv; } >build/apt-venv.log 2>&1 ||
      { tail -20 build/apt-venv.log >&2; echo "venv: apt failed; the whole log is build/apt-venv.log" >&2; exit 1; }
  else
    echo "Python's venv module is missing. Install it (Debian: apt-get install python3-venv) and run this again." >&2
    exit 1
  fi
fi

echo "venv: installing the locked requirements into .venv"
rm -rf .venv
"$python" -m venv .venv
pip=(.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes)
# uv is among the requirements, and installs the others in a fraction of pip's time; but what pip is told of this
# machine's index and certificates it need not know.
mkdir -p build
awk '/^uv==/ {found = 1} found {print} found && !/\\$/ {exit}' requirements/dev.txt >build/uv.txt
"${pip[@]}" -r build/uv.txt
.venv/bin/uv pip install --quiet --native-tls --require-hashes --compile-bytecode --python .venv/bin/python \
  -r requirements/dev.txt 2>build/uv.log || "${pip[@]}" -r requirements/dev.txt
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
printf '%s\n' "$PWD/operator" "$PWD/components" >"$site/allusesystem-sources.pth"
touch .venv/.installed
echo "venv: ready after $((SECONDS - started)) s"
