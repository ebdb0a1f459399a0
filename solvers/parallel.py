"""Tasks on threads, with answers in order, one error for all, and Ctrl-C within moments.

Compiled kernels hold no lock of the interpreter, so threads use all cores. A task is a function of
a flag; a kernel that sees `flag[0] != 0` stops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
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
    # one queue, not `futures.wait`: that holds a lock of every future, and a Ctrl-C there leaves some held for ever
    finished: SimpleQueue[bool] = SimpleQueue()
    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="kinetix") as pool:
        try:
            futures = [pool.submit(_told, task, flag, finished) for task in tasks]
            left = len(futures)
            while left:
                try:
                    good = finished.get(timeout=0.2)
                except Empty:
                    continue
                left = left - 1 if good else 0
        except BaseException:
            flag[0] = 1
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for future in futures:  # tasks begin in order: those before a failed one have begun, and end
            future.cancel()
        return [future.result() for future in futures]  # raises the first error: cancelled ones come after it


def _told(task: Callable[[Flag], T], flag: Flag, finished: SimpleQueue[bool]) -> T:
    """The answer of a task; whether it came to one is put into the queue."""
    good = False
    try:
        answer = task(flag)
        good = True
        return answer
    finally:
        finished.put(good)


def _in_turn(tasks: Sequence[Callable[[Flag], T]], flag: Flag) -> list[T]:
    return [task(flag) for task in tasks]
