"""A server that the system allows no more threads: nothing dies, apps are told why, and with threads all is as before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.readme.document import REPOSITORY
from tests.threads import NO_THREADS


def test_a_server_without_threads_serves_and_tells_apps_what_they_cannot_have(tmp_path: Path) -> None:
    program = f"{NO_THREADS}\nimport trio\nfrom pathlib import Path\nfrom tests.serving.without_threads import main\n"
    program += "trio.run(main, Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout, "the log is there, too"
    said = json.loads(done.stdout.splitlines()[-1])
    why = "the system allows no more threads (a limit of processes, as of a container)"
    assert said["without"] == {
        "cache": f"OperationError: {why}",
        "fetch": f"TypeError: fetch failed: resolving localhost: {why}",
        "derive": f"OperationError: {why}",
        "scrypt": f"OperationError: {why}",
        "pack": True,
    }
    assert said["with"]["cache"] is None
    assert [said["with"][name] for name in ("derive", "scrypt", "pack")] == [32, 32, True]
    assert said["reload without"] is said["reload with"] is said["localhost with"] is None
    assert said["localhost without"] == f"cannot listen on localhost:0: {why}"
    assert "files are not watched for now" in done.stdout
