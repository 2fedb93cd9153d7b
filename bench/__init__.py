"""Benchmarks beside other servers: ``python -m bench``. See README.md."""
