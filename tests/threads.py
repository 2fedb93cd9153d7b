"""Processes that get no more threads, as where a container's are limited."""

__all__ = ["NO_THREADS"]

NO_THREADS = """
import resource, sys, threading
threading.stack_size(1 << 30)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), used + (512 << 20)))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    pass
else:
    sys.exit("there are threads")
"""
"""The beginning of a program: a thread's stack is larger than what may be mapped, and all else has room.

After `threading.stack_size(0)` there are threads again.
"""
