"""The process in which the Antimony library runs: text on stdin, SBML (exit 0) or its complaint (exit 1) on stdout.

Run as a script with the seconds and megabytes that it may take; no part of the package imports it.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Convert the text on stdin; after the library is loaded, no file can be opened."""
    import antimony

    _limit(int(sys.argv[1]), int(sys.argv[2]))
    text = sys.stdin.buffer.read().decode("utf-8")
    if antimony.loadAntimonyString(text) < 0:
        sys.stdout.buffer.write(str(antimony.getLastError()).encode())
        return 1
    answer = antimony.getSBMLString(antimony.getMainModuleName())
    sys.stdout.buffer.write((answer or "").encode())
    return 0


def _limit(seconds: int, megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # a system without them: the caller's clock remains
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    limits = {
        resource.RLIMIT_CPU: seconds + spent,
        resource.RLIMIT_AS: megabytes * 2**20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for kind, value in limits.items():
        _, most = resource.getrlimit(kind)
        bound = value if most == resource.RLIM_INFINITY else min(value, most)
        try:
            resource.setrlimit(kind, (bound, bound))
        except (ValueError, OSError):  # not every system knows every limit
            continue


if __name__ == "__main__":
    sys.exit(main())
