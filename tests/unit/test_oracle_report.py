"""The figures and tables of known answers, from numbers that are known."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.report.ledger.claims import judge
from gtp.report.ledger.printed import protocol
from gtp.report.ledger.results import read_folder
from gtp.report.oracle import read_accuracies, read_oracle_record
from gtp.report.record import MappedMethod, OracleRecord
from gtp.report.results import read_results
from gtp.report.style import save_figure
from gtp.report.theorem import read_orders
from gtp.studies.claims import load_claims
from workflow.scripts import figure_solution_map, figure_theorem, table_solution_map, table_theorem

from .figure_fixtures import note_of

RECORD = OracleRecord(
    mixtures={"off_centre": "Four modes", "wide": "Two modes"},
    methods=(
        MappedMethod(name="gtp", label="GTP", order=0, ablation=False),
        MappedMethod(name="gtp-no_flow", label="GTP, no flow", order=3, ablation=True),
    ),
    seeds=(0, 1, 2),
    nfe=(1, 2, 5),
    steps=10,
    samples=100,
)
OTHERS = ("mean_error", "deviation_ratio", "energy_distance", "off_mode_share", "smallest_mode_share")


def accuracy_rows() -> pd.DataFrame:
    """Distances of (method's place + 1) / K, seeds evenly around them."""
    return pd.DataFrame(
        [
            {"mixture": mixture, "method": method.name, "seed": seed, "nfe": nfe}
            | dict.fromkeys(OTHERS, 0.5)
            | {"median_distance": (place + 1) / nfe + 0.01 * (seed - 1)}
            for mixture, (place, method), seed, nfe in product(
                RECORD.mixtures, enumerate(RECORD.methods), RECORD.seeds, RECORD.nfe
            )
        ]
    )


def accuracies(tmp_path, rows=None):
    path = tmp_path / "solution_map.csv"
    (accuracy_rows() if rows is None else rows).to_csv(path, index=False)
    return read_accuracies(str(path), RECORD)


def diverging() -> pd.DataFrame:
    """One seed of the second method is lost on the first mixture."""
    rows = accuracy_rows()
    lost = (rows["mixture"] == "off_centre") & (rows["method"] == "gtp-no_flow") & (rows["seed"] == 2)
    rows.loc[lost, [*OTHERS, "median_distance"]] = np.nan
    return rows


def test_the_table_of_maps_has_means_with_intervals(tmp_path):
    table, numbers = table_solution_map.accuracy_table(accuracies(tmp_path), RECORD)
    assert [row.label for row in table.rows][:4] == ["Four modes", "GTP", "GTP, no flow", "Two modes"]
    # Student's t over three seeds 0.01 apart has the half-width 4.303 * 0.01 / sqrt(3).
    assert [cell.text for cell in table.rows[1].cells] == ["1.000 ± 0.025", "0.500 ± 0.025", "0.200 ± 0.025"]
    assert len(numbers) == 2 * 2 * 3 * 6
    energy = numbers[numbers["quantity"] == "energy_distance"]
    assert set(energy["estimate"]) == {0.5}


def test_a_seed_that_diverged_is_left_out_and_counted(tmp_path):
    found = accuracies(tmp_path, diverging())
    table, _ = table_solution_map.accuracy_table(found, RECORD)
    assert table.rows[2].cells[0].text.startswith("1.995 ± ")
    note = note_of(figure_solution_map.draw(found, RECORD))
    assert "diverged: GTP, no flow on four modes (1 of 3)." in note


def test_the_figure_of_maps_shows_seeds_and_means(tmp_path):
    figure = figure_solution_map.draw(accuracies(tmp_path), RECORD)
    assert [axes.get_title() for axes in figure.axes] == ["Four modes", "Two modes"]
    for axes in figure.axes:
        assert len(axes.lines) == 2 * (3 + 1)
        means = [line for line in axes.lines if line.get_linewidth() > 1]
        np.testing.assert_allclose(means[1].get_ydata(), [2.0, 1.0, 0.4])
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "diverged" not in note_of(figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[rows["seed"] != 1], "lacks gtp on off_centre, seed 1, nfe 1"),
        (lambda rows: pd.concat([rows, rows[:1]]), "holds a row twice"),
        (lambda rows: rows.drop(columns="median_distance"), "lacks the column 'median_distance'"),
    ],
)
def test_what_lacks_is_one_line(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        accuracies(tmp_path, change(accuracy_rows()))


def theorem_rows() -> pd.DataFrame:
    """Gaps of exactly h^p with the exact field, of 0.1 with the surrogate at fixed times, of h^2 else."""
    rows = []
    for mixture, sweep, field, (solver, order), seed, k in product(
        RECORD.mixtures,
        ("step", "distance"),
        ("surrogate", "exact"),
        (("euler", 1), ("heun", 2)),
        RECORD.seeds,
        range(4),
    ):
        h = 0.5 ** (k + 1)
        power = order if field == "exact" else 0 if sweep == "step" else 2
        gap = (0.1 if power == 0 else h**power) * (1 + 0.01 * seed)
        u, steps = (0.5, 2**k) if sweep == "step" else (1.0 - h, 1)
        times = {"t": 1.0, "u": u, "tau": 0.1, "steps": steps, "step": h}
        losses = {"ideal": 1.0, "practical": 1.0 + gap, "gap": gap}
        about = {"mixture": mixture, "seed": seed, "sweep": sweep, "field": field, "solver": solver}
        rows.append({**about, "order": order, **times, **losses})
    return pd.DataFrame(rows)


@pytest.fixture
def theorem(tmp_path):
    theorem_rows().to_csv(tmp_path / "theorem.csv", index=False)
    table = read_results(tmp_path / "theorem.csv", "theorem")
    return table, read_orders(table, "theorem.csv")


def test_the_table_of_the_theorem_has_orders_and_verdicts(theorem):
    table, numbers = table_theorem.theorem_table(theorem[1], RECORD)
    rows = {row.label: [cell.text for cell in row.cells] for row in table.rows[1:5]}
    assert rows["surrogate, Heun"] == ["2", "0.00 ± 0.00", "0.1", "0.1", "10.1 %", "does not hold"]
    assert rows["exact field, Heun"] == ["2", "2.00 ± 0.00", "0.25", "0.0039", "0.395 %", "holds"]
    assert len(numbers) == 2 * 2 * 4
    assert set(numbers["verdict"]) == {"holds", "does not hold"}
    assert numbers["slope"].between(-0.01, 2.01).all()


def test_the_figure_of_the_theorem_shows_gaps_and_slopes(theorem):
    figure = figure_theorem.draw(*theorem, RECORD)
    assert len(figure.axes) == 2 * 2
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        lines = [line for line in axes.lines if line.get_linestyle() != "None"]
        assert len(lines) == 3
    first = [text.get_text() for text in figure.axes[0].texts]
    assert first == ["1.0", "2.0", "0.0"]


def test_the_same_tables_give_the_same_bytes(theorem, tmp_path):
    for name in ("a.pdf", "b.pdf"):
        save_figure(figure_theorem.draw(*theorem, RECORD), tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(asdict(RECORD)))
    assert read_oracle_record(path) == RECORD
    path.write_text(json.dumps(asdict(RECORD) | {"methods": []}))
    with pytest.raises(UserError, match="'methods' is not a list"):
        read_oracle_record(path)


def test_the_ledger_judges_by_these_tables(tmp_path):
    accuracy_rows().assign(
        method=lambda rows: rows["method"].str.replace("no_flow", "no_consistency")
    ).to_csv(tmp_path / "solution_map.csv", index=False)
    theorem_rows().to_csv(tmp_path / "theorem.csv", index=False)
    (tmp_path / "record.json").write_text(json.dumps(asdict(RECORD)))
    results = read_folder(tmp_path)
    claims = load_claims(Path(__file__).parents[2] / "workflow/claims.yaml")
    names = ("gtp-theorem_1_closed_form", "gtp-theorem_1_distance", "gtp-consistency_map", "gtp-shortcut")
    found = [judge(claims[name], results).verdict.value for name in names]
    assert found == ["does not hold", "holds", "holds", "cannot be tested"]
    assert protocol(results) == "Budget: 10 updates, 3 seeds, on mixtures with a known flow."
