"""Speed, memory and quality: each module is a command that prints tables of ratios. Computes on one thread."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch are imported
