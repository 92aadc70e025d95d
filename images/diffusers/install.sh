#!/bin/sh
# Makes a virtual environment that holds what the Diffusers engine needs:
#
#   install.sh [--device cpu|cuda] [--path REPOSITORY] [--wheels DIR] [--python PYTHON] TARGET
#
# With --path, its Python finds the engine's server, which lies in the repository, and `contract` beside it.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
exec sh "$here/../environment.sh" --engine "$here" --import diffusers,peft,av,fastapi,uvicorn "$@"
