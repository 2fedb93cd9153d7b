from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration's folder with apps in it: `one` (a folder), `two.js` (a file), `empty` (no index.js)."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.js").write_text("export default {}")
    (tmp_path / "two.js").write_text("export default {}")
    (tmp_path / "empty").mkdir()
    return tmp_path
