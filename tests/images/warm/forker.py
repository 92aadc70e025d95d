"""`python -m tests.images.warm.forker`: has imported the engine, and forks a process for each order that it reads.

An order is a line of JSON on standard input, and so is the answer on standard output:
`{"module": ..., "arguments": [...], "files": [stdin, stdout, stderr]}` -> `{"pid": ...}`, which then runs the module
as `python -m` would; `{"pid": ...}` -> `{"status": ...}`, null while it runs. It ends with its standard input.
"""

import gc
import json
import os
import runpy
import sys
from collections.abc import Mapping
from typing import Any

import images.diffusers.server.__main__  # noqa: F401  what takes so long

READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND
Order = Mapping[str, Any]


def main() -> None:
    # A thread would be missing in a fork, with whatever it holds.
    assert len(os.listdir("/proc/self/task")) == 1, "importing the engine has started a thread"
    gc.freeze()
    order = fork_on_demand()
    if order is not None:
        become(order)


def fork_on_demand() -> Order | None:
    """Returns in each fork with its order, and in the forker with None when nobody is there to ask for more."""
    orders = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115  nothing is read ahead, and a fork has it, too
    while line := orders.readline():
        order: Order = json.loads(line)
        if "pid" in order:
            answer: Mapping[str, Any] = {"status": status(order["pid"])}
        else:
            pid = os.fork()
            if pid == 0:
                return order
            answer = {"pid": pid}
        os.write(1, json.dumps(answer).encode() + b"\n")
    return None


def status(pid: int) -> int | None:
    """The exit status, negative for a signal."""
    ended, code = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(code) if ended else None


def become(order: Order) -> None:
    os.setsid()
    for number, (path, flags) in enumerate(zip(order["files"], (READ, WRITE, WRITE), strict=True)):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
