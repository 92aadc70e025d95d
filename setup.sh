#!/usr/bin/env bash
# Roundhouse's one command on Linux, macOS and WSL2:  ./setup.sh [VERB ...]   (no verb: install and start everything)
#
# It makes .venv, installs the locked packages into it and hands over to `python -m cli`. When the lock has not
# changed since the last time, only the handing over is left.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python=.venv/bin/python
lock=requirements.lock
[ "${1-}" = test ] && lock=requirements-dev.lock
stamp=.venv/installed-$lock

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "FAIL  $1"
    say "      $2"
    exit 1
}

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail 'Python 3.11 or newer is not here' \
        'Install it (Debian, Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python) and run ./setup.sh again.'
}

make_environment() {
    local found
    found=$(find_python)
    "$found" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$found cannot make virtual environments" \
            'Install the package for it (Debian, Ubuntu: sudo apt-get install python3-venv) and run ./setup.sh again.'
    say "..    a virtual environment in .venv ($("$found" --version))"
    "$found" -m venv --clear .venv
}

install_packages() {
    local began=$SECONDS
    [ -x $python ] && $python -c '' 2>/dev/null || make_environment
    say "..    packages of $lock into .venv"
    $python -m pip --quiet --disable-pip-version-check install --require-hashes -r images/uv.txt &&
        .venv/bin/uv --quiet pip install --compile-bytecode --python $python --require-hashes -r "$lock" ||
        fail "the packages of $lock could not be installed" \
            'The reason stands above. Check the network and run ./setup.sh again: it goes on where it stopped.'
    # The development lock holds all of the other one; a test keeps it so.
    cp requirements.lock .venv/installed-requirements.lock
    [ "$lock" = requirements.lock ] || cp "$lock" "$stamp"
    say "ok    packages installed  $((SECONDS - began)) s"
}

cmp -s "$lock" "$stamp" || install_packages
case ${1-} in
    '') set -- setup ;;
    --help | --version) ;;
    -*) set -- setup "$@" ;;
esac
exec $python -m cli "$@"
