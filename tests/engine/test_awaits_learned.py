"""That what awaits.py learns is learned once, and only from its own programs. In processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = {
    # Four threads begin at once, again and again; Python changes between them as often as it can.
    "by one thread at a time": """
import sys, threading
from nano_trio.engine import awaits, builtins
from nano_trio.runtime.platform import builtins_source
source, outcomes = builtins_source(), []
builtins.library(source)
sys.setswitchinterval(1e-6)
for round in range(20):
    awaits._learned.cache_clear()
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=lambda: (barrier.wait(), outcomes.append(awaits.kept(source)))) for _ in range(4)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
print(outcomes == [True] * 80)
""",
    # An error in a lesson: an app's code, which runs then, is none, and the next attempt has the rest.
    "not from what runs behind an error": """
import quickjs
from nano_trio.engine import awaits, builtins
from nano_trio.engine.polling import address_of
from nano_trio.runtime.platform import builtins_source
source, lessons, address = builtins_source(), awaits._LESSONS, awaits.address_of
runtime = quickjs.Runtime()
app = runtime.new_context()
# As it is where the app's context comes to lie where the scratch context was.
awaits._LESSONS, awaits.address_of = ("throw 1",), lambda scratch: address(app)
try:
    awaits.kept(source)
except quickjs.JSError:
    app.eval("Promise.resolve().then(() => {})")
awaits._LESSONS, awaits.address_of = lessons, address
print(awaits.kept(source))
""",
    # The platform's file is loaded again where an error came between, and must not wrap what is done already.
    "and is begun twice": """
import quickjs
from nano_trio.engine import awaits, builtins
from nano_trio.runtime.platform import builtins_source
awaits.kept(builtins_source())
context = quickjs.Runtime().new_context()
builtins.give(context, builtins_source(), "given")
print(context.eval("[1, 2].every(() => given.uncurry('Await', 'begin')(Promise.prototype.then))"))
""",
}


@pytest.mark.parametrize("how", PROGRAMS)
def test_it_is_learned(how: str) -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAMS[how]], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout.split()) == (0, ["True"]), told.stderr
