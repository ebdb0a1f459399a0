"""`python -m kinetix`: the command line, also for `torchrun -m kinetix pretrain`."""

import sys

from .app.cli import main

if __name__ == "__main__":
    sys.exit(main())
