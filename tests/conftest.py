"""What every test needs: Ctrl-C, even in the background of a shell that ignores it; the same examples in every run; one
thread of linear algebra, for in nets and matrices as small as these two only wait for one another.
"""

import os
import signal

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded; processes that tests start have it too
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("fixed", derandomize=True)
settings.register_profile("search", max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))  # "search" looks at new examples each time
