"""Libraries that a text may crash, hang or fill the memory with, asked in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

SECONDS, MEGABYTES = 2, 512
"""CPU and memory of the process."""


class GaveUpError(Exception):
    """The process crashed, or did not finish within its limits."""


def ask(job: Literal["antimony", "flatten"], text: str) -> tuple[bool, str]:
    """Whether the job was done, and its answer or the library's complaint; GaveUpError where there is neither."""
    script = str(Path(__file__).with_name("library_child.py"))
    command = [sys.executable, "-I", script, job, str(SECONDS), str(MEGABYTES)]
    try:
        run = subprocess.run(command, input=text.encode(), capture_output=True, timeout=10 * SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise GaveUpError from None
    answer = run.stdout.decode("utf-8", "replace")
    if run.returncode not in (0, 1) or not answer:
        raise GaveUpError
    return run.returncode == 0, answer
