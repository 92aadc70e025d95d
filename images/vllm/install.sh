#!/bin/sh
# Makes a virtual environment that holds the vLLM engine for the CPU.
#
#   install.sh [--wheels DIR] [--python PYTHON] TARGET_VENV
#
# torch's CPU build comes from a folder of wheels near by (DIR, or what pip is configured to look into), else from
# PyTorch's own index of CPU builds. Everything else comes from the lock beside this file. Nothing is done if the
# environment already matches the lock.
set -eu

torch='torch==2.13.0+cpu'
far_index='https://download.pytorch.org/whl/cpu'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
began=$(date +%s)
wheels=''
python='python3'
target=''

say() { printf '[%3ds] %s\n' "$(($(date +%s) - began))" "$*"; }

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --wheels) [ $# -gt 1 ] || fail '--wheels needs a folder'; wheels=$2; shift 2 ;;
        --python) [ $# -gt 1 ] || fail '--python needs a program'; python=$2; shift 2 ;;
        -*) fail "unknown option $1" ;;
        *) target=$1; shift ;;
    esac
done
[ -n "$target" ] || fail 'usage: install.sh [--wheels DIR] [--python PYTHON] TARGET_VENV'

stamp=$target/.roundhouse-lock
wanted=$({ echo "$torch"; cat "$here/requirements.txt"; } | sha256sum | cut -d ' ' -f 1)
if [ -x "$target/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    say "$target already matches the lock"
    exit 0
fi
# A folder that is no virtual environment is somebody's data: it is not replaced.
if [ -d "$target" ] && [ ! -e "$target/pyvenv.cfg" ] && [ -n "$(ls -A "$target")" ]; then
    fail "$target exists and is not a virtual environment"
fi

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
say 'installing the installer'
"$python" -m venv "$tools/venv"
pip="$tools/venv/bin/pip --disable-pip-version-check --quiet"
$pip install --require-hashes --no-deps --requirement "$here/uv.txt"
# Only the Python that is here: uv must not fetch another.
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
uv=$tools/venv/bin/uv
"$uv" --quiet venv --clear --python "$("$python" -c 'import sys; print(sys.executable)')" "$target"

into() { "$uv" --quiet pip install --python "$target/bin/python" --no-deps --compile-bytecode "$@"; }

near() { # Fails quietly when no folder near by has the wheel; pip's word for it would read as a fault.
    $pip download --no-index --no-deps --dest "$tools/near" ${wheels:+--find-links "$wheels"} "$torch" 2>/dev/null
}

if near; then
    say "$torch from a folder of wheels near by"
    into "$tools"/near/torch-*.whl
else
    say "$torch from $far_index"
    into --default-index "$far_index" "$torch"
fi
say "$(grep -c '==' "$here/requirements.txt") locked packages"
into --require-hashes --requirement "$here/requirements.txt"
say 'trying the import'
"$target/bin/python" -c 'import vllm.entrypoints.openai.api_server'
printf '%s\n' "$wanted" >"$stamp"
say "$target is ready"
