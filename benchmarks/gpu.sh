#!/usr/bin/env bash
# Measure what training takes on this machine's GPU, in at most eight minutes, and print one table.
#
#     bash benchmarks/gpu.sh            on the GPU
#     bash benchmarks/gpu.sh --small    a rehearsal on the CPU; its figures mean nothing
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
[ -x "$python" ] || python=python
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
exec "$python" benchmarks/gpu.py "$@"
