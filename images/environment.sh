#!/bin/sh
# Makes a virtual environment that holds an engine. Each engine's install.sh calls it with what is its own:
#
#   environment.sh --engine DIR --import MODULE [--device cpu|cuda] [--path DIR] [--wheels DIR] [--python PYTHON] TARGET
#
# --engine  the folder with the engine's requirements.txt, and requirements-cuda.txt if it can have torch for CUDA
# --import  what must be importable in the end
# --path    a folder whose packages the environment's Python finds, too
# --wheels  a folder of wheels near by
#
# For the CPU, torch comes from a folder of wheels near by (DIR, or what pip is configured to look into), else from
# PyTorch's own index of CPU builds. For CUDA it stands in requirements-cuda.txt. Everything else comes from the lock.
# Nothing is done if the environment already matches its lock.
set -eu

torch='torch==2.13.0+cpu'
far_index='https://download.pytorch.org/whl/cpu'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
began=$(date +%s)
engine='' import='' device='cpu' path='' wheels='' python='python3' target=''

say() { printf '[%3ds] %s\n' "$(($(date +%s) - began))" "$*"; }

fail() {
    printf 'environment.sh: %s\n' "$*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --*) [ $# -gt 1 ] || fail "$1 needs a value" ;;
    esac
    case $1 in
        --engine) engine=$2; shift 2 ;;
        --import) import=$2; shift 2 ;;
        --device) device=$2; shift 2 ;;
        --path) path=$2; shift 2 ;;
        --wheels) wheels=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        -*) fail "unknown option $1" ;;
        *) target=$1; shift ;;
    esac
done
[ -n "$engine" ] && [ -n "$import" ] || fail 'is called by an engine'"'"'s install.sh'
[ -n "$target" ] || fail 'name the folder of the environment'
lock=$engine/requirements.txt
cuda=$engine/requirements-cuda.txt
case $device in
    cpu) chosen=$torch ;;
    cuda) [ -f "$cuda" ] || fail "$engine has no build for CUDA"; chosen=$(cat "$cuda") ;;
    *) fail "--device is cpu or cuda" ;;
esac

stamp=$target/.roundhouse-lock
wanted=$({ printf '%s\n' "$chosen"; cat "$lock"; printf '%s' "$path"; } | sha256sum | cut -d ' ' -f 1)
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

if [ "$device" = cuda ]; then
    say 'PyTorch for CUDA'
    into --require-hashes --requirement "$cuda"
elif near; then
    say "$torch from a folder of wheels near by"
    into "$tools"/near/torch-*.whl
else
    say "$torch from $far_index"
    into --default-index "$far_index" "$torch"
fi
say "$(grep -c '==' "$lock") locked packages"
into --require-hashes --requirement "$lock"
if [ -n "$path" ]; then
    printf '%s\n' "$path" >"$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/roundhouse.pth"
fi
say 'trying the import'
"$target/bin/python" -c "import $import"
printf '%s\n' "$wanted" >"$stamp"
say "$target is ready"
