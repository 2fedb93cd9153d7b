"""The JavaScript of this repository passes the linter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LINTED = ("nano_trio", "examples", "bench", "tests/npm/apps")


def test_all_javascript_passes_eslint(node_modules: Path, tmp_path: Path) -> None:
    # ESLint looks for what it loads beside its configuration, and checks only what lies below that.
    shutil.copyfile(Path(__file__).with_name("eslint.config.mjs"), tmp_path / "eslint.config.mjs")
    (tmp_path / "node_modules").symlink_to(node_modules)
    files = 0
    for part in LINTED:
        for source in (REPOSITORY / part).rglob("*.*js"):
            if "node_modules" not in source.parts and source.suffix in (".js", ".mjs"):
                copy = tmp_path / source.relative_to(REPOSITORY)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
                files += 1
    assert files > 80
    command = [str(node_modules / ".bin/eslint"), "--max-warnings=0", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
