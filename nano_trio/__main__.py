"""``python -m nano_trio`` is ``nano-trio``."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C in the midst of an import ends the process, without a traceback through it; ``main`` has it back.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from nano_trio.cli import main

main(prog_name="nano-trio")
