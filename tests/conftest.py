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

LONGEST = ("test_smoke.py", "test_plans.py", "test_train.py", "test_cli.py", "test_tracing.py")


def pytest_collection_modifyitems(items):
    """The longest files first: two workers then end at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
