"""The verb that hands a policy to programs without torch: `gtp export`."""

from pathlib import Path
from typing import Literal

from gtp.errors import UserError, told_to_the_user
from gtp.files import require_files


def export(
    policy: Path,
    output: Path,
    format: Literal["onnx"] = "onnx",
    nfe: int = 5,
    acting: str = "sample",
    seed: int | None = None,
    scores: Path | None = None,
    data: Path | None = None,
    run: Path | None = None,
    licence: str = "MIT",
    environment: str | None = None,
    threads: int = 1,
) -> None:
    """Write a policy as one graph from raw observation and noise to action, checked, with a card beside it.

    Args:
        policy: A policy file; not of mbdpo, which remembers its plan.
        output: The graph, FILE.onnx; its card goes to FILE.card.json and FILE.card.md.
        format: Of the graph.
        nfe: Number of function evaluations K per action.
        acting: Rule as of `gtp evaluate`.
        seed: Of the policies in the file; the first by default.
        scores: CSV that `gtp evaluate` wrote, for the card.
        data: The transitions it was trained on, for the card.
        run: The run.json beside the policy, for the card.
        licence: Under which you give the graph away.
        environment: As of `gtp evaluate`.
        threads: CPU threads of this process.
    """
    from gtp.training.loop import use_threads

    if output.suffix != f".{format}":
        raise UserError(f"the output {output} does not end in .{format}; name it FILE.{format}")
    require_files(output)
    with told_to_the_user():
        use_threads(threads)
    try:
        from gtp.export.bundle import card_files, export_policy

        card, difference, times = export_policy(
            policy,
            output,
            nfe=nfe,
            acting=acting,
            seed=seed,
            scores=scores,
            data=data,
            run=run,
            licence=licence,
            environment=environment,
        )
    except ImportError as error:
        raise UserError(f"{error.name} is missing; pip install 'gtp[export,figures]'") from error
    by_policy, by_graph = (f"{1e3 * seconds:.3g} ms" for seconds in times)
    cards = " and ".join(path.name for path in card_files(output))
    what = f"{card.label}, seed {card.seed}, step {card.step}, K = {card.nfe}, {card.acting}"
    print(f"{output}: {what}; with {cards}")
    print(f"largest difference of an action in [-1, 1] from the policy's: {difference:.2g}")
    print(f"one action: {by_policy} by the policy, drawing its noise; {by_graph} by the graph, given it")


VERBS = {"export": export}
