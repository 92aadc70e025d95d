#!/bin/sh
# Takes out of an environment made by install.sh what no engine reads at run time:  slim.sh VENV
#
# Headers and test programs are for building against torch.
set -eu
site=$(echo "$1"/lib/python3*/site-packages)
before=$(du -sm "$1" | cut -f 1)
rm -rf "$site/torch/test" "$site/torch/share"
find "$site/torch/bin" -type f ! -name torch_shm_manager -delete
for package in networkx numpy sympy; do
    find "$site/$package" -type d -name tests -prune -exec rm -rf {} +
done
"$1/bin/python" -c 'import diffusers, peft, av, fastapi, uvicorn'
echo "$1: $before MB before, $(du -sm "$1" | cut -f 1) MB after"
