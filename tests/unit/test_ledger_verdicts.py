"""Rules and verdicts of the ledger at their borders."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from gtp.report.ledger.claims import Claim, Rule, Verdict, best_study, judge
from gtp.report.ledger.measure import Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.statistics import Estimate, mean_estimate


@dataclass(frozen=True)
class Given(Measure):
    """Effects that stand here: (low, high) of each comparison, the same at every confidence."""

    effects: tuple
    unit: ClassVar[str] = "points"

    def in_words(self):
        return "what is given"

    def parts(self, results):
        if not self.effects:
            raise Untestable("nothing is given")
        return [part_of(number, effect) for number, effect in enumerate(self.effects)]


@dataclass(frozen=True)
class GivenRatio(Given):
    unit: ClassVar[str] = "times"


def part_of(number: int, effect):
    if effect is None:
        return Missing(f"against rival_{number}", f"no rival_{number}")
    low, high, *n = effect
    estimate = Estimate((low + high) / 2, low, high, *(n or [3]))
    return Part(f"against rival_{number}", lambda confidence: estimate, (), ("maze",))


def claim_of(measure: Measure, **rule) -> Claim:
    texts = dict.fromkeys(("id", "paper", "title", "claim", "source", "why"), "x")
    return Claim(**texts, measure=measure, rule=Rule(**rule), studies=("laptop",))


def finding(*effects, measure=Given, study: str = "quick", **rule):
    return judge(claim_of(measure(effects), **rule), Results(study, None, {}))


@pytest.mark.parametrize(
    ("effect", "verdict", "reason"),
    [
        ((5.0, 9.0), Verdict.HOLDS, "interval all above 5"),
        ((4.9, 9.0), Verdict.UNDECIDED, "interval covers 5"),
        ((-3.0, 5.0), Verdict.UNDECIDED, "interval covers 5"),
        ((1.0, 4.9), Verdict.FAILS, "interval all below 5"),  # certain, but smaller than what counts
        ((-9.0, -1.0), Verdict.FAILS, "interval all below 5"),
        ((7.0, 7.0), Verdict.UNDECIDED, "no spread, so no interval"),
        ((0.0, 0.0), Verdict.UNDECIDED, "no spread, so no interval"),
        ((np.nan, np.nan, 1), Verdict.UNTESTED, "one seed gives no interval; see laptop"),
    ],
)
def test_at_least(effect, verdict, reason):
    result = finding(effect, at_least=5.0)
    assert (result.verdict, result.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [((0.5, 0.9), "holds"), ((0.5, 1.0), "undecided"), ((0.95, 1.4), "does not hold")],
)
def test_at_most(effect, verdict):
    assert finding(effect, measure=GivenRatio, at_most=0.9).verdict == verdict


@pytest.mark.parametrize(
    ("effect", "verdict", "reason"),
    [
        ((-2.5, 2.5), "holds", "interval all within −2.5 to 2.5"),
        ((-2.6, 2.0), "undecided", "interval covers −2.5"),
        ((-9.0, 9.0), "undecided", "interval covers −2.5 and 2.5"),
        ((2.6, 9.0), "does not hold", "interval all above 2.5"),
        ((-9.0, -2.6), "does not hold", "interval all below −2.5"),
    ],
)
def test_within(effect, verdict, reason):
    result = finding(effect, within=2.5)
    assert (result.verdict, result.reason) == (verdict, reason)


def test_within_a_factor_means_so_many_times_either_way():
    assert Rule(within=1.25).bounds("times") == (0.8, 1.25)
    assert finding((0.8, 1.25), measure=GivenRatio, within=1.25).verdict == "holds"
    assert finding((0.79, 1.2), measure=GivenRatio, within=1.25).verdict == "undecided"


def test_all_comparisons_must_count_and_one_that_does_not_is_enough():
    both = finding((6.0, 8.0), (5.5, 9.0), at_least=5.0)
    assert (both.verdict, both.deciding.label) == ("holds", "against rival_0")
    one = finding((6.0, 8.0), (1.0, 2.0), (4.0, 9.0), at_least=5.0)
    assert (one.verdict, one.deciding.label, one.estimate.high) == ("does not hold", "against rival_1", 2.0)
    open_ = finding((6.0, 8.0), (4.0, 40.0), at_least=5.0)
    # The wide one decides, though its centre lies farther up.
    assert (open_.verdict, open_.deciding.label) == ("undecided", "against rival_1")


@pytest.mark.parametrize("noise", [-1e-15, 0.0, 1e-15])
def test_of_comparisons_that_rounding_tells_apart_the_last_decides(noise):
    result = finding((1.0 + noise, 2.0), (1.0, 2.0), at_least=5.0)
    assert (result.verdict, result.deciding.label) == ("does not hold", "against rival_1")


def test_a_claim_about_several_needs_so_many():
    assert finding((96, 99), (95, 99), (10, 20), at_least=95.0, parts=2).verdict == "holds"
    assert finding((96, 99), (90, 99), (10, 20), at_least=95.0, parts=2).verdict == "undecided"
    assert finding((96, 99), (80, 90), (10, 20), at_least=95.0, parts=2).verdict == "does not hold"
    assert finding((96, 99), at_least=95.0, parts=2).reason == "1 of 2 comparisons; see laptop"


def test_what_was_not_compared_keeps_a_claim_open_but_does_not_save_it():
    held = finding((6.0, 8.0), None, at_least=5.0)
    assert (held.verdict, held.reason) == ("undecided", "not compared: rival_1")
    assert finding((1.0, 2.0), None, at_least=5.0).verdict == "does not hold"
    nothing = finding(None, None, at_least=5.0)
    assert (nothing.verdict, nothing.reason) == ("cannot be tested", "no rival_0; see laptop")
    assert finding(at_least=5.0).reason == "nothing is given; see laptop"
    assert finding(at_least=5.0, study="laptop").reason == "nothing is given"


def test_several_comparisons_ask_for_more_confidence():
    asked = []

    @dataclass(frozen=True)
    class Asking(Given):
        def parts(self, results):
            def effect(confidence):
                asked.append(round(confidence, 4))
                return Estimate(3.0, -1.0, 7.0, 3)

            return [replace(part_of(0, (0, 1)), label=str(number), effect=effect) for number in range(5)]

    result = judge(claim_of(Asking(()), at_least=5.0), Results("quick", None, {}))
    # All five must count: 95 % for each to hold, a fifth of the error for one of them to fail.
    assert set(asked) == {0.95, 0.99}
    assert result.confidence == pytest.approx(0.99)
    asked.clear()
    judge(claim_of(Asking(()), at_least=5.0, parts=2), Results("quick", None, {}))
    assert set(asked) == {round(1 - 0.05 / 4, 4), 0.975}


def test_confidence_widens_the_interval_that_decides():
    seeds = np.array([6.0, 8.0, 10.0, 12.0])
    assert mean_estimate(seeds).low > 4.8

    @dataclass(frozen=True)
    class Seeds(Given):
        def parts(self, results):
            from gtp.report.statistics import combine_means

            each = Part("", lambda c: combine_means([seeds], [1.0], c), (), ("maze",))
            return [replace(each, label=str(number)) for number in range(3)]

    held = judge(claim_of(Seeds(()), at_least=4.8), Results("quick", None, {}))
    assert (held.verdict, held.confidence) == ("holds", 0.95)
    high = judge(claim_of(Seeds(()), at_least=13.2), Results("quick", None, {}))
    assert high.verdict == "undecided"  # 95 % would say that it does not hold, 98.3 % does not


@pytest.mark.parametrize(
    "lines", [{}, {"at_least": 1.0, "at_most": 2.0}, {"within": 0.0}, {"at_least": 1.0, "parts": 0}]
)
def test_a_rule_draws_one_line(lines):
    with pytest.raises(ValueError, match="one of at_least|must be"):
        Rule(**lines)


def test_the_best_study_is_chosen_by_its_plan_and_not_by_its_verdict():
    few = finding((6.0, 8.0), None, at_least=5.0, study="few")
    many = finding((6.0, 8.0), (-90.0, 90.0), at_least=5.0, study="many")
    none = finding(None, None, at_least=5.0, study="none")
    assert best_study([none, few, many]).study == "many"
    assert best_study([none, few]).study == "few"
    more_seeds = finding((-90.0, 90.0, 5), at_least=5.0, study="five")
    assert best_study([finding((6.0, 8.0), at_least=5.0), more_seeds]).study == "five"
