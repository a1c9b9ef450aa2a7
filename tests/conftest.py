"""Settings of the whole suite."""

import os

# Tiny tensors gain nothing from threads and tests run side by side; subprocesses inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
