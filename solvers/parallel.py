"""Tasks on threads, with answers in order, one error for all, and Ctrl-C within moments.

Compiled kernels hold no lock of the interpreter, so threads use all cores. A task is a function of
a flag; a kernel that sees `flag[0] != 0` stops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Flag = NDArray[np.int64]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(tasks: Sequence[Callable[[Flag], T]], threads: int | None = None, *, short: bool = False) -> list[T]:
    """The answers of all tasks, in order, on at most `threads` threads (default: all cores).

    The error raised is that of the first task that fails, whatever the threads. `short` tasks are
    handed out many at a time, and run in the calling thread when there is only one thread for them.
    """
    flag, threads = np.zeros(1, dtype=np.int64), min(threads or cores(), len(tasks))
    if short and threads <= 1:
        return _in_turn(tasks, flag)
    if short and len(tasks) > threads:
        size = -(-len(tasks) // threads)
        shares = [partial(_in_turn, tasks[at : at + size]) for at in range(0, len(tasks), size)]
        return [answer for share in run_all(shares, threads) for answer in share]
    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="kinetix") as pool:
        futures = [pool.submit(task, flag) for task in tasks]
        pending: set[Future[T]] = set(futures)
        try:
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                if any(future.exception() for future in done):
                    break
        except BaseException:
            flag[0] = 1
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for future in pending:  # tasks begin in order: those before a failed one have begun, and end
            future.cancel()
        return [future.result() for future in futures]  # raises the first error: cancelled ones come after it


def _in_turn(tasks: Sequence[Callable[[Flag], T]], flag: Flag) -> list[T]:
    return [task(flag) for task in tasks]
