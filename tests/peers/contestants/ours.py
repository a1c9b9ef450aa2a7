"""A method of this repository, as `gtp train` runs it: compiled where there is a compiler."""

LIBRARIES = ("torch",)


def build(settings: dict, data: dict):
    """A function that makes so many updates, drawing minibatches and noise as training does; how it runs.

    The data are those that `gtp bench` makes, drawn in the same way as `data`. Without such settings it
    trains one seed, in float32.
    """
    import torch

    from gtp import algorithms
    from gtp.evaluation.bench import BenchConfig, make_learner
    from gtp.training.loop import Interval, choose_compiled, use_threads

    use_threads(settings["threads"])
    device = torch.device("cpu")
    compiled = choose_compiled("auto", device)
    algorithm = algorithms.get(settings["method"])(**settings["hyperparameters"])
    names = {"batch_size", "hidden_size", "observations", "actions", "matmul_precision"} & set(settings)
    config = BenchConfig(device="cpu", **{name: settings[name] for name in names})
    learner, sampler, *_ = make_learner(algorithm, config, settings.get("seeds", 1), device, compiled)
    inputs, interval = learner.inputs(sampler), Interval()

    def train(updates: int) -> None:
        for _ in range(updates):
            logged = learner.update(sampler, *next(inputs))
            interval.add(learner.quantities, logged)

    return train, "compiled" if compiled else "eager"
