"""The quickest tests first: most mutants die from a test of milliseconds, wherever in its file it stands."""

import json
from collections import Counter
from pathlib import Path

QUICK = 0.5
"""Seconds up to which a test runs before those of other files that take longer."""


class QuickestFirst:
    """A plugin of pytest. A run without a mutant leaves the seconds of its tests in `times`."""

    def __init__(self, times: Path, *, measures: bool):
        self.times, self.measures = times, measures
        self.seconds: Counter[str] = Counter()
        if times.exists():
            self.seconds.update(json.loads(times.read_text(encoding="utf-8")))

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Sort by what is known; tests of a file stay together, since they share what they set up."""
        files = list(dict.fromkeys(item.path for item in items))

        def place(item) -> tuple[bool, int, float]:
            seconds = self.seconds[item.nodeid]
            return seconds > QUICK, files.index(item.path), seconds

        items.sort(key=place)
        if self.measures:
            for item in items:
                del self.seconds[item.nodeid]

    def pytest_runtest_logreport(self, report) -> None:
        """Add what setting up, the test itself and taking down took."""
        if self.measures:
            self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Keep the seconds of all tests so far."""
        if self.measures:
            self.times.write_text(json.dumps(self.seconds), encoding="utf-8")
