"""Policies that act otherwise from the weights of a finished run: what differs is acting, not training."""

import json
import shutil
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.errors import UserError
from gtp.files import read_json, read_tensors, write_atomically, write_tensors, write_text
from gtp.policy import FORMAT
from gtp.training.run import claimed, finished_before


def derive(run: Path, algorithm: Algorithm, output: Path, label: str, *, overwrite: bool = True) -> bool:
    """Write the policies of the folder `run` into `output`, with the acting fields of `algorithm`.

    Returns whether they were written: without `overwrite` what `output` holds already is not.
    What belongs to training stays as it is. run.json says whose weights they are and comes last; training.csv
    is the run's. Raises UserError when the folder holds no finished run, when its method is another or has no
    acting fields, when `algorithm` differs from it in more, and when `output` is that folder or, without
    `overwrite`, holds another run.
    """
    name = algorithms.name_of(algorithm)
    remedy = "name the folder of a finished run"
    try:
        record = read_json(run / "run.json")
        own, trained, weights = record["algorithm"], record["hyperparameters"], record["label"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run} has no run.json of a training; {remedy}") from error
    if own != name or not algorithm.acting_fields:
        raise UserError(f"{run} was trained by {own}, {name} cannot act with its weights otherwise")
    policies = sorted(run.glob("policy-*.safetensors"))
    if not policies:
        raise UserError(f"{run} has no policies; {remedy}")
    acting = {field: getattr(algorithm, field) for field in algorithm.acting_fields}
    changed = replace(algorithms.get(own)(**trained), **acting)
    for field in fields(algorithm):
        asked = getattr(algorithm, field.name)
        if asked not in (getattr(changed, field.name), field.default):
            raise UserError(
                f"{field.name} = {asked} belongs to training, {weights} has {trained[field.name]}; train anew"
            )
    if output.resolve() == run.resolve():
        raise UserError(f"{output} holds the weights themselves; choose another --output")
    settings = {"label": label, "hyperparameters": asdict(changed)}
    record = {**record, **settings, "weights_of": weights}
    steps = [path.stem.removeprefix("policy-") for path in policies]
    with claimed(output):
        if not overwrite and finished_before(record, steps, output):
            return False
        for old in (output / "run.json", *output.glob("policy-*.safetensors")):
            old.unlink(missing_ok=True)
        for path in policies:
            tensors, header = read_tensors(path, FORMAT, "train it again")
            write_tensors(output / path.name, tensors, {**header, **settings})
        write_atomically(output / "training.csv", partial(shutil.copyfile, run / "training.csv"))
        write_text(output / "run.json", json.dumps(record, indent=2))
    return True
