"""What AsyncLocalStorage binds may be bound again and again: that takes no stack which nobody counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_node_modules import run

WAYS = {
    "by a then that the app had before": "const again = (f) => { Promise.prototype.then.call(undefined, f); return given; };",
    "by what the platform's own modules reach": """const { bind } = WeakRef["nano:modules"].asyncContext;
      const again = (f) => bind(f);""",
    "with one of the app's between": """const { bind } = WeakRef["nano:modules"].asyncContext;
      const again = (f) => bind(f.bind(null));""",
    "with one of the engine's between": """const { bind } = WeakRef["nano:modules"].asyncContext;
      const seen = { constructor: Promise, then(f) { this.f = f; } };
      const again = (f) => { Promise.prototype.finally.call(seen, f); return bind(seen.f); };""",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_of_bound_functions_ends_with_an_error_at_worst(tmp_path: Path, way: str) -> None:
    replaced = "let given; Promise.prototype.then = function (f) { given = f; };" if "then" in way else ""
    lines = run(
        tmp_path,
        f"""
        import {{ AsyncLocalStorage }} from "node:async_hooks";
        {replaced}
        const storage = new AsyncLocalStorage();
        {WAYS[way]}
        let f = () => storage.getStore();
        for (let i = 0; i < 50_000; i++) storage.run(i, () => (f = again(f)));
        try {{ console.log(f()); }} catch (error) {{ console.log(String(error)); }}
        """,
    )
    assert lines == ["RangeError: Maximum call stack size exceeded" if "between" in way else "0"]
