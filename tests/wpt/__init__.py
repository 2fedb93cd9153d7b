"""The Web Platform Tests against nano-trio's isolates: ``python -m tests.wpt --help``."""
