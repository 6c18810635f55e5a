"""Experiments behind the choices of this project: each module is a command that prints a table."""

import benchmarks  # noqa: F401  before numpy: it sets one thread
