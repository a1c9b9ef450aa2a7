"""Settings of the whole suite."""

import os

from hypothesis import HealthCheck, settings

# Tiny tensors gain nothing from threads and tests run side by side; subprocesses inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every run, and no limits on time: a busy machine must not fail a sound test.
settings.register_profile(
    "gtp", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gtp")
