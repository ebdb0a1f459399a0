"""Run the figure scripts and keep what they print in RESULTS.md, with the date and the machine.

    python tests/benchmarks/results.py                      all of them (several hours)
    python tests/benchmarks/results.py exact met            only these; the other sections stay

Exits 1 where a figure misses its limit.
"""

import datetime as dt
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
NAMES = (
    "calibration",
    "coverage",
    "exact",
    "general",
    "importers",
    "inference",
    "met",
    "nets",
    "policy",
    "posterior",
    "pspf",
    "reach",
    "van",
)
HEAD = """# Figures, measured

Every section is what its script printed, with the day and the machine. `make figures` runs them again.
"""


def machine() -> str:
    """The class of this machine: processor, cores, Python."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = found[1] if found else platform.processor()
    return f"{name}, {os.cpu_count()} cores, no GPU used, Python {platform.python_version()}"


def caption(name: str) -> str:
    """The first paragraph of a script's docstring."""
    text = (HERE / f"figures_{name}.py").read_text()
    return text.split('"""')[1].split("\n\n")[0].strip()


def section(name: str, printed: str) -> str:
    """One section of RESULTS.md."""
    today = dt.datetime.now(tz=dt.UTC).date()
    return f"## {name}\n\n{caption(name)}\n\n{today}, {machine()}.\n\n{printed.strip()}\n"


def kept() -> dict[str, str]:
    """The sections that RESULTS.md has now."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    return {part.split("\n", 1)[0]: f"## {part.strip()}\n" for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def write(sections: dict[str, str]) -> None:
    """RESULTS.md, its sections in the order of NAMES."""
    RESULTS.write_text("\n".join([HEAD, *(sections[name] for name in NAMES if name in sections)]))


def main(names: list[str]) -> int:
    missed = 0
    for name in names or NAMES:
        if name not in NAMES:
            sys.exit(f"no figures called {name!r}; there are {', '.join(NAMES)}")
        run = subprocess.run([sys.executable, HERE / f"figures_{name}.py"], capture_output=True, text=True, check=False)
        sys.stderr.write(run.stderr)
        if not run.stdout.strip():
            return 1
        write({**kept(), name: section(name, run.stdout)})
        missed |= run.returncode
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
