"""The parent process of ``nano-trio serve``: it keeps the listening sockets and replaces workers that die.

Theory of operation. QuickJS is C, and an app that finds a defect in it takes its process along. So ``serve`` is two
processes or more: *workers*, which do everything, and this parent, which does next to nothing and therefore lives.

    parent ── holds: listening sockets, the quarantine, what was drained, one record of the running turn per worker
      │  spawns (never forks a loaded process)         ▲ a socketpair each: JSON messages, descriptors beside them
      ▼                                                ▼
    worker 0 … N-1: `python -m nano_trio.cli.worker …`, with what the parent's command line came to

- The configuration is read by workers only. A worker resolves where to listen and asks the parent for the sockets; the
  parent opens them at the first asking and hands out the same ones ever after. So a connection that arrives while no
  worker lives waits in the socket's backlog and is served by the next worker.
- A worker that dies is replaced: at once if it has lived, with exponential back-off where it dies at its start. Only
  the very first start is different: where that fails with an exit code (a bad configuration), the parent ends with it,
  and so it does where the first worker is killed before it served. Once one serves, deaths and failed starts are as at
  any time: another worker may find the file broken that was sound a moment ago.
- The worker writes which app's turn is running into a few shared bytes (``turn_record``). An app whose turn was running
  when the engine crashed for the second time in a window is quarantined: workers answer 503 for it until it is lifted.
- An app that somebody drained stays so until it is restarted, also in the workers that start meanwhile: what that
  command did stands in no file, so the parent keeps its name.
- The last configuration that a worker could use is kept here, as text that only workers can read. A worker whose file
  is broken when it starts, because its predecessor died just then, runs with that one.
- SIGTERM and SIGINT: workers drain, the parent waits, kills what outlasts its deadline and ends with the worker's code.
  A second one ends at once. SIGHUP: workers reload, one after another. Workers are told by messages, not by signals: a
  terminal's Ctrl-C reaches them as well, and two must not count where the user pressed one.
- A worker that answers no ping for ``unresponsive_timeout_s`` hangs in code that nothing can preempt. It is
  killed, which counts as a crash of the app whose turn was running. So is one that hangs while it starts; there a
  minute may pass, and the whole start may take ten. Time in which the parent itself was stopped does not count.
- When the parent dies, workers see the end of their channel (on Linux a signal, too) and drain.

The modules: ``channel`` (messages; both ends), ``turn_record`` (both ends), ``shares`` (how workers share connections),
``sockets``, ``quarantine``, ``turns`` (who may change something now), ``systemd``, ``worker`` (one process and its
channel), ``supervisor`` (the loop that ties them together), ``log``.

A leaf: it imports nothing of the other rooms, and of the standard library only what is light. The parent takes about
17 MB, most of it Python and click.
"""
