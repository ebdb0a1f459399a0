"""What every test needs: Ctrl-C, even where the suite runs in the background of a shell that ignores it."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
