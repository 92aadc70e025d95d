#!/bin/sh
# Makes a virtual environment that holds the vLLM engine for the CPU:  install.sh [--wheels DIR] [--python PYTHON] TARGET
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
exec sh "$here/../environment.sh" --engine "$here" --import vllm.entrypoints.openai.api_server "$@"
