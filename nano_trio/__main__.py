"""``python -m nano_trio`` is ``nano-trio``."""

from nano_trio.cli import main

main(prog_name="nano-trio")
