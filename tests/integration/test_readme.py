"""README's examples, run as they stand there against a real stack. Only the address is the test's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import README, ROOT, Block, blocks_of
from tests.integration.stack import Stack

ADDRESS = "http://127.0.0.1:8080"
PYTHON = blocks_of(README, "python")
CURL = [block for block in blocks_of(README, "bash") if block.text.startswith("curl")]
VERBS = [block for block in blocks_of(README, "bash") if block.text.startswith("./setup.sh models")]

pytestmark = pytest.mark.timeout(600)


def run(stack: Stack, *command: str, folder: Path | None = None) -> str:
    """What a program prints. It must end with status 0. Files that it writes lie in `folder`, else with the stack."""
    env = {**os.environ, "ROUNDHOUSE_URL": stack.base_url, "NO_PROXY": "127.0.0.1"}
    where = folder or stack.folder
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def here(block: Block, stack: Stack) -> str:
    assert ADDRESS in block.text
    return block.text.replace(ADDRESS, stack.base_url)


def test_the_first_example_answers(stack: Stack) -> None:
    assert "Paris" in run(stack, sys.executable, "-c", here(PYTHON[0], stack))


@pytest.mark.parametrize("block", PYTHON[1:], ids=range(len(PYTHON) - 1))
def test_every_other_python_example_prints_something(stack: Stack, block: Block) -> None:
    assert run(stack, sys.executable, "-c", here(block, stack)).strip()


@pytest.mark.parametrize("block", CURL, ids=range(len(CURL)))
def test_every_curl_example_is_answered(stack: Stack, block: Block) -> None:
    answer = run(stack, "bash", "-c", here(block, stack))
    assert ("b64_json" if "/v1/images/" in block.text else "smollm2") in answer
    assert '"error"' not in answer


def test_the_verbs_do_what_is_said_of_them(stack: Stack) -> None:
    (block,) = VERBS
    said = {line.split()[1]: run(stack, "bash", "-c", line, folder=ROOT) for line in block.text.splitlines()}
    assert "llama3-8b" in said["models"]
    assert said["load"].endswith("smollm2 is ready\n")
    assert "smollm2" in said["ps"]
    assert "vllm" in said["logs"].lower()
    assert said["unload"].endswith("smollm2 is stopped\n")
