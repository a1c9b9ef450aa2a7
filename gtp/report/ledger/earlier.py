"""What a study would have said, had it been shorter: results of the policies that it kept on the way."""

from dataclasses import replace

from gtp.errors import UserError
from gtp.report.ledger.results import Results


def ended_earlier(results: Results) -> list[Results]:
    """The results of a study that ended with the first, the second ... the last of the policies it kept.

    They have the table of scores alone, by the number of evaluations K and the acting rule of curves.csv, and
    its episodes. Policies of the same share of training belong together: tasks may differ in their updates.
    Raises: UserError when tasks kept different numbers of them.
    """
    study, curves = results.study, results.table("curves")
    curves = curves[curves["task"].isin([task.name for task in study.tasks])]
    steps = curves.groupby("task")["step"]
    place, count = steps.rank("dense"), steps.nunique().max()
    if steps.nunique().min() < count:
        raise UserError(f"{results.files['curves']}: tasks kept different numbers of policies")
    scored = dict(list(curves.groupby("method")))
    methods = tuple(
        replace(
            method,
            nfe=tuple(k for k in method.nfe if k in set(scored[method.name]["nfe"])),
            acting=tuple(rule for rule in method.acting if rule in set(scored[method.name]["acting"])),
        )
        for method in study.methods
        if method.name in scored
    )
    shorter = replace(study, methods=methods, episodes=results.curves.episodes_each)
    return [
        Results(
            results.name,
            replace(shorter, steps=int(study.steps * number // count)),
            {"scores": results.files["curves"]},
            {"scores": curves[place == number].drop(columns="step")},
        )
        for number in range(1, count + 1)
    ]
