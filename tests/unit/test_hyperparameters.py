"""Hyperparameters of the methods: their defaults, which published settings rely on, and what is refused.

A default that changes gives every result under its name another meaning, so it is changed here as well.
"""

import math
import sys
from dataclasses import asdict

import pytest

from gtp import algorithms
from gtp.algorithms.consistency_bc import ConsistencyBC
from gtp.algorithms.diffusion_bc import DiffusionBC
from gtp.algorithms.gaussian_bc import GaussianBC
from gtp.algorithms.gtp import GTP
from gtp.algorithms.mbdpo import MBDPO, MODEL, PRESETS

SOLUTION_MAP = {
    "eta": 1.0,
    "t_min": 0.02,
    "t_max": 3.0,
    "t_start": 80.0,
    "rho": 7.0,
    "sigma_data": 0.1,
    "negative_advantage": "keep",
    "max_weight": 100.0,
    "value": "expectile",
    "expectile": 0.9,
    "value_samples": 4,
    "target_nfe": 2,
    "max_q_samples": 1,
}
CONSISTENCY = {
    "sigma_data": 0.5,
    "t_min": 0.002,
    "t_max": 80.0,
    "t_last": 2.0,
    "rho": 7.0,
    "first_grid": 2,
    "last_grid": 150,
    "loss_scale": 100.0,
}
DIFFUSION = {"levels": 5, "beta_min": 0.1, "beta_max": 10.0}
DEFAULTS = {
    "consistency_ac": CONSISTENCY | {"eta": 1.0, "max_q_samples": 1, "target_nfe": 2, "q_norm": False},
    "consistency_bc": CONSISTENCY,
    "ctm": SOLUTION_MAP | {"grid_points": 17, "lambda_dsm": 1.0},
    "diffusion_bc": DIFFUSION,
    "diffusion_ql": DIFFUSION | {"eta": 1.0, "max_q_samples": 1},
    "fql": {"alpha": 10.0, "flow_steps": 10, "aggregate": "mean", "normalize_q": False},
    "gaussian_bc": {"log_std_min": -5.0, "log_std_max": 2.0},
    "gmpg": {
        "expectile": 0.7,
        "path": "vp",
        "solver": "ddim",
        "beta": 4.0,
        "cloning_share": 0.5,
        "gradient_nfe": 5,
        "level": 0.1,
    },
    "gmpo": {"expectile": 0.7, "beta": 8.0, "max_weight": 100.0, "path": "gvp", "solver": "ddim"},
    "gtp": SOLUTION_MAP
    | {
        "grid_points": 20,
        "lambda_consistency": 1.0,
        "lambda_flow": 1.0,
        "consistency": "trajectory",
        "score": "surrogate",
        "ode_steps": 3,
        "pairs": "adjacent",
        "grid_growth": "constant",
        "tau": "uniform",
        "teacher": "ema",
        "loss_weighting": "edm",
        "guidance": "advantage",
        "linear_q": 0.01,
        "train_critic": False,
    },
    "iql": {"expectile": 0.7, "beta": 3.0, "max_weight": 100.0},
    "mbdpo": {
        "size": "tiny",
        "horizon": 3,
        "eta": 0.1,
        "search": True,
        "samples": None,
        "elites": None,
        "prior_sequences": None,
        "temperature": 0.5,
        "rho": 0.5,
        "entropy": 1e-4,
        "cloning": 0.0,
        "scrambled_pairs": False,
        "learning_rate": 3e-4,
        "discount": None,
        "reward_unit": 1.0,
    },
    "td3_bc": {"alpha": 2.5, "target_noise": 0.2, "target_noise_clip": 0.5, "policy_delay": 1},
}

ACTS = {  # whether K may be chosen, actions depend on noise, and on what was remembered; the networks
    "consistency_ac": (True, True, False, ("actor_ema",)),
    "consistency_bc": (True, True, False, ("actor_ema",)),
    "ctm": (True, True, False, ("actor_ema",)),
    "diffusion_bc": (True, True, False, ("actor_ema",)),
    "diffusion_ql": (True, True, False, ("actor_ema",)),
    "fql": (False, True, False, ("actor_ema",)),
    "gaussian_bc": (False, False, False, ("actor_ema",)),
    "gmpg": (True, True, False, ("actor_ema",)),
    "gmpo": (True, True, False, ("actor_ema",)),
    "gtp": (True, True, False, ("actor_ema",)),
    "iql": (False, False, False, ("actor_ema",)),
    "mbdpo": (True, True, True, (*MODEL, "anchor_moments", "prior")),
    "td3_bc": (False, False, False, ("actor_ema",)),
}

PAIR, GUIDED = ("gtp", "ctm"), ("diffusion_ql", "consistency_ac")
RANGES = [  # as mathematics writes them; [n, inf) of whole numbers begins with a whole number
    *((method, "eta", "[0.0, inf)") for method in PAIR),
    *((method, name, "(0.0, inf)") for method in PAIR for name in ("rho", "sigma_data", "max_weight")),
    *(
        (method, name, "[1, inf)")
        for method in PAIR
        for name in ("grid_points", "value_samples", "target_nfe", "max_q_samples")
    ),
    *((method, "expectile", "(0.0, 1.0)") for method in (*PAIR, "iql", "gmpo", "gmpg")),
    *(("gtp", name, "[0.0, inf)") for name in ("lambda_consistency", "lambda_flow", "linear_q")),
    ("gtp", "ode_steps", "[1, inf)"),
    ("ctm", "lambda_dsm", "[0.0, inf)"),
    *((method, "eta", "(0.0, inf)") for method in GUIDED),
    *((method, "max_q_samples", "[1, inf)") for method in GUIDED),
    ("consistency_ac", "target_nfe", "[1, inf)"),
    *(("consistency_bc", name, "(0.0, inf)") for name in ("sigma_data", "rho", "loss_scale")),
    ("consistency_bc", "first_grid", "[2, 150]"),
    ("diffusion_bc", "levels", "[1, inf)"),
    ("diffusion_bc", "beta_min", "(0.0, 10.0]"),
    ("diffusion_bc", "beta_max", "[0.1, inf)"),
    ("fql", "alpha", "[0.0, inf)"),
    ("fql", "flow_steps", "[1, inf)"),
    *((method, "beta", "[0.0, inf)") for method in ("iql", "gmpo", "gmpg")),
    *((method, "max_weight", "(0.0, inf)") for method in ("iql", "gmpo")),
    ("gmpg", "cloning_share", "(0.0, 1.0)"),
    ("gmpg", "gradient_nfe", "[1, inf)"),
    ("gmpg", "level", "(0.0, inf)"),
    ("mbdpo", "horizon", "[1, inf)"),
    *(("mbdpo", name, "[0.0, inf)") for name in ("eta", "rho", "entropy", "cloning")),
    *(("mbdpo", name, "(0.0, inf)") for name in ("temperature", "learning_rate", "reward_unit")),
    ("mbdpo", "discount", "(0.0, 1.0]"),
    ("mbdpo", "elites", "[0, inf)"),
    ("mbdpo", "prior_sequences", "[0, 64]"),
    *(("td3_bc", name, "[0.0, inf)") for name in ("alpha", "target_noise", "target_noise_clip")),
    ("td3_bc", "policy_delay", "[1, inf)"),
]


def test_what_a_method_says_of_how_it_acts():
    """Evaluation and acting rules ask for it, and would leave things out without a word."""
    methods = {name: algorithms.get(name) for name in algorithms.names()}
    said = {
        name: (kind.choosable_nfe, kind.stochastic, kind.has_memory, kind.acting_networks)
        for name, kind in methods.items()
    }
    assert said == ACTS


def test_every_method_has_the_defaults_of_its_published_settings():
    assert {name: asdict(algorithms.get(name)()) for name in algorithms.names()} == DEFAULTS


def neighbours(interval: str) -> tuple[list, list]:
    """Numbers just inside and just outside both ends of an interval; NaN is outside."""
    kind = float if "." in interval else int
    inside, outside = [], [math.nan] if kind is float else []
    for end, away in zip(interval[1:-1].split(", "), (-math.inf, math.inf), strict=True):
        if end == "inf":
            inside += [sys.float_info.max] if kind is float else [10**6]
            outside += [math.inf] if kind is float else []
            continue
        value = kind(end)
        is_closed = interval[0] == "[" if away < 0 else interval[-1] == "]"
        if kind is int:
            inside, outside = [*inside, value], [*outside, value - 1 if away < 0 else value + 1]
        else:
            inside.append(value if is_closed else math.nextafter(value, -away))
            outside.append(math.nextafter(value, away) if is_closed else value)
    return inside, outside


@pytest.mark.parametrize(("method", "name", "interval"), RANGES)
def test_values_outside_of_their_range_are_refused_and_its_ends_are_not(method, name, interval):
    inside, outside = neighbours(interval)
    for value in inside:
        assert getattr(algorithms.get(method)(**{name: value}), name) == value
    for value in outside:
        with pytest.raises(ValueError, match=name):
            algorithms.get(method)(**{name: value})


@pytest.mark.parametrize("kind", [GTP, ConsistencyBC])
def test_times_must_increase(kind):
    last = "t_start" if kind is GTP else "t_last"
    accepted = [{"t_min": 5e-324}, {"t_max": 80.0, "t_start": 80.0} if kind is GTP else {"t_last": 80.0}]
    refused = [{"t_min": 0.0}, {"t_max": math.inf, last: 1.0 if kind is not GTP else math.inf}]
    refused += [{"t_min": 3.0}, {"t_max": 81.0}] if kind is GTP else [{"t_min": 2.0}, {"t_last": 81.0}]
    for settings in accepted:
        kind(**settings)
    for settings in refused:
        with pytest.raises(ValueError, match="is required"):
            kind(**settings)


def test_grids_of_consistency_models_never_shrink():
    assert ConsistencyBC(first_grid=7, last_grid=7).last_grid == 7
    with pytest.raises(ValueError, match="got 8 and 7"):
        ConsistencyBC(first_grid=8, last_grid=7)


def test_rates_of_diffusion_never_fall():
    assert DiffusionBC(beta_min=3.0, beta_max=3.0).beta_max == 3.0
    with pytest.raises(ValueError, match="got 4.0 and 3.0"):
        DiffusionBC(beta_min=4.0, beta_max=3.0)


def test_clamps_of_a_gaussians_deviation_differ():
    with pytest.raises(ValueError, match="got 2.0 and 2.0"):
        GaussianBC(log_std_min=2.0)


def test_gtp_must_learn_something():
    with pytest.raises(ValueError, match="nothing would be learned"):
        GTP(lambda_consistency=0.0, lambda_flow=0.0)


def test_a_search_takes_two_samples_at_least_and_no_more_of_the_prior():
    search = MBDPO(samples=2, prior_sequences=2).search_settings
    assert (search.samples, search.prior_sequences) == (2, 2)
    for wrong in ({"samples": 1, "prior_sequences": 0}, {"samples": 5, "prior_sequences": 6}):
        with pytest.raises(ValueError, match="samples"):
            MBDPO(**wrong)
    with pytest.raises(ValueError, match="size must be one of nano, tiny, .*, got 'huge'"):
        MBDPO(size="huge")


def test_sizes_of_the_world_model():
    assert {name: tuple(preset) for name, preset in PRESETS.items()} == {
        "nano": (1, 64, 64, 32, 2, 51, 64, 8, 6),
        "tiny": (1, 128, 128, 64, 2, 51, 64, 8, 6),
        "small": (1, 256, 256, 128, 3, 101, 128, 16, 8),
        "release_1": (1, 256, 384, 128, 2, 101, 512, 64, 24),
        "full": (1, 256, 512, 512, 5, 101, 512, 64, 24),
        "release_19": (2, 1024, 1024, 768, 5, 101, 512, 64, 24),
        "release_48": (3, 1792, 1792, 768, 5, 101, 512, 64, 24),
        "release_317": (4, 4096, 4096, 1376, 8, 101, 512, 64, 24),
    }
