"""What is wrong with snakemake's arguments before it reads the workflow, in one line.

The profiles of this workflow call `check_arguments`: no other file of ours is read before the files of
--configfile and the values of --config are.
"""

from collections.abc import Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser, parse_config

from gtp.errors import UserError, ending_in_one_line, suggest
from gtp.studies.reading import read_mapping


def check_arguments() -> None:
    """End the program with one line where snakemake's own would be a traceback."""
    with ending_in_one_line():
        arguments, _ = get_argument_parser().parse_known_args()
        check_files(arguments.configfile or [])
        for entry in arguments.config or []:
            check_entry(entry)


def check_files(files: Sequence[str | Path]) -> None:
    """Raises UserError unless the words after --configfile are files with a mapping.

    The first may be misspelt; each further one that is no file was meant as a target.
    """
    for file in map(Path, files):
        if file.is_file():
            read_mapping(file)
        elif file == Path(files[0]):
            known = map(str, Path("config").glob("*.yaml"))
            raise UserError(f"there is no file {file}, which --configfile names; {suggest(file, known)}")
        else:
            raise UserError(
                f"--configfile takes all words that follow it, and {file} is no file;"
                f" put targets first: snakemake {file} --configfile {files[0]}"
            )


def check_entry(entry: str) -> None:
    """Raises UserError unless a word after --config is name=value as snakemake reads it."""
    try:
        parse_config([entry])
    except ValueError as error:
        name, _, value = entry.partition("=")
        first, *keys = name.split(".")
        if not keys or not value:
            raise UserError(f"--config {entry}: write name=value, such as study=mine") from error
        nested = value
        for key in reversed(keys):
            nested = f"{{{key}: {nested}}}"
        raise UserError(
            f"--config {entry}: write a key inside another as --config '{first}={nested}'"
        ) from error
