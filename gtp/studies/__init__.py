"""Studies, methods and tasks: the files of config/ as checked dataclasses.

The workflow asks this package what to run. The dataclasses that gtp itself uses (TaskSpec, TrainConfig, the
algorithms) say what the files may contain, so there is no second schema to keep in step.
"""

from gtp.studies.flags import flags
from gtp.studies.layers import Layers
from gtp.studies.plan import CONFIGURATION, Plan, load_plan
from gtp.studies.reading import read_mapping

__all__ = ["CONFIGURATION", "Layers", "Plan", "flags", "load_plan", "read_mapping"]
