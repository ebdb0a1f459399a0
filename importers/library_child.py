"""Where libraries do what may crash them: text on stdin, SBML (exit 0) or a complaint (exit 1) on stdout.

Run as a script with the job ("antimony" or "flatten") and the seconds and megabytes that it may take (see
`library_process`); no part of the package imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def main() -> int:
    """Do the job on the text on stdin; after the library is loaded, no file can be opened."""
    job = {"antimony": _antimony, "flatten": _flatten}[sys.argv[1]]
    code, answer = job(lambda: _limit(int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.buffer.write(answer.encode())
    return code


def _antimony(limit: Callable[[], None]) -> tuple[int, str]:
    """Antimony to SBML."""
    import antimony

    limit()
    if antimony.loadAntimonyString(sys.stdin.buffer.read().decode("utf-8")) < 0:
        return 1, str(antimony.getLastError())
    return 0, antimony.getSBMLString(antimony.getMainModuleName()) or ""


def _flatten(limit: Callable[[], None]) -> tuple[int, str]:
    """SBML with submodels to SBML without."""
    import libsbml

    limit()
    document = libsbml.readSBMLFromString(sys.stdin.buffer.read().decode("utf-8"))
    document.getErrorLog().clearLog()
    properties = libsbml.ConversionProperties()
    for key, value in (("flatten comp", True), ("performValidation", True), ("leavePorts", False)):
        properties.addOption(key, value)
    if document.convert(properties) == libsbml.LIBSBML_OPERATION_SUCCESS:
        return 0, str(libsbml.writeSBMLToString(document))
    faults = [document.getError(i) for i in range(document.getNumErrors())]
    told = [f.getMessage() for f in faults if f.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
    return 1, told[0] if told else "no reason given"


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
