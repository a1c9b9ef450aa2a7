"""Plan: a study together with the methods and tasks that it names; what the workflow asks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gtp import algorithms
from gtp.acting import ActingRule, applicable
from gtp.algorithms.common.solution_map_policy import SolutionMapPolicy
from gtp.config import TrainConfig
from gtp.errors import UserError, suggest
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.studies.methods import Method, load_methods
from gtp.studies.reading import Place, parse, place
from gtp.studies.study import Study
from gtp.studies.tasks import Origin, Task, load_tasks
from gtp.studies.trials import Trial, load_trials

CONFIGURATION = tuple(Path(f"config/{name}.yaml") for name in ("methods", "tasks", "trials"))
"""The files beside a study, in the order in which `load_plan` takes them."""


@dataclass(frozen=True)
class Plan:
    """A study with all methods and tasks that the configuration knows; more than the study lists."""

    study: Study
    methods: dict[str, Method]
    tasks: dict[str, Task]

    def origin(self, task: str) -> Origin:
        """The task as the study's source has it; a task with one source only is always that one's."""
        origins = self.tasks[task].origins
        return origins.get(self.study.source) or next(iter(origins.values()))

    def dataset_id(self, task: str) -> str:
        return self.tasks[task].dataset_id(self.origin(task).source, self.study.dataset_steps)

    def suites(self) -> dict[str, list[str]]:
        """Suite -> its tasks among those that the study trains on."""
        names = dict.fromkeys([*self.study.tasks, self.study.trajectories.task])
        suites: dict[str, list[str]] = {}
        for name in names:
            suites.setdefault(self.tasks[name].suite, []).append(name)
        return suites

    def ablations(self) -> dict[str, str]:
        """Name of an ablation without its parent's name -> method, such as no_flow -> gtp-no_flow."""
        return {
            name.removeprefix(f"{method.ablation_of}-"): name
            for name, method in self.methods.items()
            if method.ablation_of
        }

    def trials(self) -> dict[str, Trial]:
        """The trials of all methods, by name."""
        return {name: method for name, method in self.methods.items() if isinstance(method, Trial)}

    def places(self) -> dict[str, int]:
        """Method -> its place in the methods file, ablations counted apart from the others.

        Figures choose a method's look by it, so a look depends neither on the study nor on what else a figure
        shows, and stays when methods are added at the end of the file. A trial has its method's place.
        """
        trials = self.trials()
        parts = [
            [name for name, m in self.methods.items() if bool(m.ablation_of) is kind and name not in trials]
            for kind in (False, True)
        ]
        places = {name: place for part in parts for place, name in enumerate(part)}
        return places | {name: places[trial.trial_of] for name, trial in trials.items()}

    def record(self, methods: Iterable[str]) -> StudyRecord:
        """What figures and tables need to know beside the numbers; the content of study.json."""
        study = self.study
        return StudyRecord(
            study=study.study,
            tasks=tuple(map(self._task_record, study.tasks)),
            methods=tuple(map(self._method_record, methods)),
            seeds=study.seeds,
            steps=study.train.steps,
            episodes=study.evaluation.episodes,
            nfe=study.evaluation.nfe,
            headline_nfe=study.evaluation.headline_nfe,
            acting=study.evaluation.acting,
        )

    def _task_record(self, name: str) -> TaskRecord:
        task, origin = self.tasks[name], self.origin(name)
        return TaskRecord(
            name=name,
            suite=task.suite,
            label=task.label,
            source=origin.source,
            environment=origin.spec.environment,
            reference_min=origin.spec.reference_min,
            reference_max=origin.spec.reference_max,
            maze=origin.spec.maze,
        )

    def _method_record(self, name: str) -> MethodRecord:
        method = self.methods[name]
        return MethodRecord(
            name=name,
            label=method.label,
            algorithm=method.algorithm,
            group=method.group,
            ablation_of=method.ablation_of,
            generative=method.choosable_nfe,
            nfe=tuple(self.nfe(name)),
            acting=tuple(self.acting(name)),
            order=self.places()[name],
            trial_of=method.trial_of,
            size_of=method.size_of,
            settings=method.text if isinstance(method, Trial) else None,
        )

    def nfe(self, method: str) -> list[int]:
        """Numbers of function evaluations at which a method is scored."""
        if not self.methods[method].choosable_nfe:
            return [1]
        evaluation = self.study.evaluation
        return list(evaluation.nfe_by_method.get(method, evaluation.nfe))

    @property
    def timed_nfe(self) -> list[int]:
        """Numbers of function evaluations at which the time of actions is measured, side by side."""
        return sorted({*self.study.cost.nfe, *(k for name in self.study.methods for k in self.nfe(name))})

    def acting(self, method: str, suite: str = "") -> list[str]:
        """Names of the study's acting rules that a method can follow on a suite, by default on any."""
        own = self.methods[method]
        algorithm = algorithms.get(own.algorithm)(**own.settings(suite))
        rules = [ActingRule.parse(name) for name in self.study.evaluation.acting]
        return [rule.name for rule in applicable(rules, algorithm)]


def load_plan(
    settings: Mapping[str, Any],
    methods_file: Path,
    tasks_file: Path,
    trials_file: Path | None = None,
    *,
    file: Place = "the study",
) -> Plan:
    """Check a study's settings together with the methods and tasks that they name.

    `settings` is the content of a study file, `file` what messages call it, or the files and the command line
    that the settings come from. In place of a list of methods it
    may say "trials", for all of them. Raises: UserError, one line, about the first thing that is wrong in any
    of the files.
    """
    methods = load_methods(methods_file)
    trials = load_trials(trials_file, methods) if trials_file else {}
    if settings.get("methods") == "trials":
        settings = {**settings, "methods": list(trials)}
    study = parse(Study, settings, file)
    plan = Plan(study, methods | trials, load_tasks(tasks_file))
    for key, names, known, where in (
        (("methods",), study.methods, plan.methods, methods_file),
        (("trajectories", "methods"), study.trajectories.methods, plan.methods, methods_file),
        (("evaluation", "nfe_by_method"), study.evaluation.nfe_by_method, plan.methods, methods_file),
        (("tasks",), study.tasks, plan.tasks, tasks_file),
        (("trajectories", "task"), [study.trajectories.task], plan.tasks, tasks_file),
    ):
        for name in names:
            if name not in known:
                advice = suggest(name, known, where)
                raise UserError(f"{place(file, key)}: '{name}' has no entry in {where}; {advice}")
    _check_environments(plan, str(tasks_file))
    _check_trials(plan, file)
    _check_trajectories(plan, file)
    _check_acting(plan, file, str(methods_file))
    _check_overrides(plan, file, str(methods_file))
    _check_sources(plan, file)
    _check_datasets(plan, file)
    return plan


def _check_environments(plan: Plan, tasks_file: str) -> None:
    """Raises UserError when the environment of a task does not exist or its module cannot be imported."""
    from gtp.envs.make import check_exists  # simulators, which reading a study does not need otherwise

    for name in (name for names in plan.suites().values() for name in names):
        origin = plan.origin(name)
        try:
            check_exists(origin.spec.environment)
        except UserError as error:
            raise UserError(f"{place(tasks_file, (name,))}: {error}") from error


def _check_trials(plan: Plan, file: Place) -> None:
    """Raises UserError unless a study with trials lists only trials, as many of one method as of another."""
    known, where = plan.trials(), place(file, ("methods",))
    counts = Counter(known[name].trial_of for name in plan.study.methods if name in known)
    others = [name for name in plan.study.methods if name not in known]
    if counts and others:
        raise UserError(
            f"{where}: trials stand in a study of their own; take '{others[0]}' out, or the trials"
        )
    if len(set(counts.values())) > 1:
        (most, _), *_, (fewest, _) = counts.most_common()
        raise UserError(
            f"{where}: {counts[most]} trials of {most} but {counts[fewest]} of {fewest};"
            " list as many of every method, or write methods: trials"
        )


def _check_trajectories(plan: Plan, file: Place) -> None:
    """Raises UserError unless `trajectories` names methods with a solution map and a task in the plane."""
    wanted = plan.study.trajectories
    for name in wanted.methods:
        if not issubclass(algorithms.get(plan.methods[name].algorithm), SolutionMapPolicy):
            raise UserError(f"{place(file, ('trajectories', 'methods'))}: '{name}' learns no solution map")
    origin = plan.origin(wanted.task)
    planar = origin.dataset.planar
    if planar is None:  # known from the data alone, which are as the environment or are refused
        from gtp.envs.make import make_task

        try:
            planar = make_task(origin.spec).action_space.shape == (2,)
        except UserError as error:
            raise UserError(f"{place(file, ('trajectories', 'task'))}: {error}") from error
    if not planar:
        raise UserError(
            f"{place(file, ('trajectories', 'task'))}: actions of '{wanted.task}' have more than two"
            " dimensions; name a point maze or multigoal"
        )


def _check_acting(plan: Plan, file: Place, methods_file: Place) -> None:
    """Raises UserError when a method has other acting rules on some suites, or when `nfe_by_method` names one
    that cannot choose its number of function evaluations.
    """
    for name in plan.study.evaluation.nfe_by_method:
        if not plan.methods[name].choosable_nfe:
            raise UserError(
                f"{place(file, ('evaluation', 'nfe_by_method'))}: '{name}' cannot choose; take it out"
            )
    for name, method in plan.methods.items():
        for suite in method.set_by_suite:
            if plan.acting(name, suite) != plan.acting(name):
                path = (name, "set_by_suite", suite)
                raise UserError(
                    f"{place(methods_file, path)}: '{name}' has a critic on some suites only, so its acting"
                    " rules differ; make it two methods"
                )


def _check_overrides(plan: Plan, file: Place, methods_file: Place) -> None:
    """Raises UserError for unknown suites in `train_by_suite` and `set_by_suite`, and for bad budgets."""
    suites = {task.suite for task in plan.tasks.values()}
    for name in dict.fromkeys([*plan.study.methods, *plan.study.trajectories.methods]):
        for suite in plan.methods[name].set_by_suite:
            if suite not in suites:
                where = (name, "set_by_suite", suite)
                raise UserError(f"{place(methods_file, where)}: unknown suite; {suggest(suite, suites)}")
    for suite, overrides in plan.study.train_by_suite.items():
        path = ("train_by_suite", suite)
        if suite not in suites:
            raise UserError(f"{place(file, path)}: unknown suite; {suggest(suite, suites)}")
        parse(TrainConfig, {**asdict(plan.study.train), **overrides}, file, path)


def _check_sources(plan: Plan, file: Place) -> None:
    """Raises UserError when the study's source lacks a task, or when tasks of a suite have different sources,
    whose scores are not comparable.
    """
    first: dict[str, str] = {}
    source = plan.study.source
    for task in (name for names in plan.suites().values() for name in names):
        origins, suite = plan.tasks[task].origins, plan.tasks[task].suite
        if source not in origins and len(origins) > 1:
            raise UserError(
                f"{place(file, ('source',), ('tasks',))}: {task} has no data from {source}, only from"
                f" {' and '.join(origins)}; take it out of the tasks or choose another source"
            )
        other = first.setdefault(suite, task)
        if plan.origin(other).source != plan.origin(task).source:
            raise UserError(
                f"{place(file, ('tasks',), ('source',))}: {other} and {task} share the suite {suite} but not"
                " the source of their data, so their scores cannot stand in one column; choose one source"
            )


def _check_datasets(plan: Plan, file: Place) -> None:
    """Raises UserError when two tasks give different datasets the same id."""
    first: dict[str, str] = {}
    for task in (name for names in plan.suites().values() for name in names):
        other = first.setdefault(plan.dataset_id(task), task)
        if plan.origin(other).dataset != plan.origin(task).dataset:
            raise UserError(
                f"{place(file, ('tasks',), ('source',))}: {other} and {task} both make"
                f" {plan.dataset_id(task)} and differ in how; rename one of them"
            )
