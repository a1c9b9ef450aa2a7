"""The verbs that read datasets: `gtp dataset prepare` and `gtp dataset verify`.

Minari is imported by the verbs, so that their help does not wait for it.
"""

from pathlib import Path

from gtp.config import TaskSpec
from gtp.files import require_files
from gtp.schema import write_rows


def prepare(
    id: str,
    root: Path,
    output: Path,
    task: TaskSpec,
    episodes: Path | None = None,
    coverage: Path | None = None,
) -> None:
    """Turn a local Minari dataset into the transitions of a task: one file, which training reads.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
        output: Transitions file (.safetensors).
        task: Environment, observations, reward and reference scores.
        episodes: CSV of the recorded episodes' returns and lengths.
        coverage: CSV of visited positions; mazes only.
    """
    from gtp.data.prepare import prepare_transitions
    from gtp.data.summaries.coverage import Bin, coverage_rows
    from gtp.data.summaries.episodes import RecordedEpisode, episode_rows
    from gtp.data.transitions import save_transitions

    require_files(output, episodes, coverage)
    save_transitions(output, prepare_transitions(id, root, task))
    if episodes:
        write_rows(episodes, RecordedEpisode, episode_rows(id, root))
    if coverage:
        write_rows(coverage, Bin, coverage_rows(id, root))


def verify(id: str, root: Path) -> None:
    """Compare a dataset's files with the checksums on its card.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
    """
    from gtp.data.store.card import verify_card
    from gtp.data.store.minari_store import dataset_folder

    card = verify_card(dataset_folder(id, root))
    print(f"{id}: {card['episodes']} episodes, {card['steps']} steps, all checksums hold")


VERBS = {"prepare": prepare, "verify": verify}
