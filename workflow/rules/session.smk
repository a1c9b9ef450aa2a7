# What one call of snakemake announces and records about itself.
import csv
import datetime
import json
import time

STARTED = time.time()


def announce():
    """What is going to be done and how long the reference took."""
    grid = f"{len(STUDY.tasks)} x {len(STUDY.methods)} x {len(STUDY.seeds)}"
    budget = f"{STUDY.train.steps} updates each, on {'a GPU' if GPUS else 'CPUs'}"
    lines = [f"Study {STUDY.study}: tasks x methods x seeds = {grid}, {budget}. Logs: logs/{STUDY.study}/"]
    provenance = Path("results/reference", STUDY.study, "provenance.json")
    if provenance.exists():
        reference = json.loads(provenance.read_text())
        lines.append(f"The reference run took {reference['minutes']:.0f} minutes on {reference['machine']}.")
    return "\n".join(lines)


def record_session(outcome):
    """Append to logs/<study>/sessions.csv when this call began, its minutes and how it ended."""
    path = Path("logs", STUDY.study, "sessions.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["began", "minutes", "outcome"])
        began = datetime.datetime.fromtimestamp(STARTED).isoformat(timespec="seconds")
        writer.writerow([began, f"{(time.time() - STARTED) / 60:.2f}", outcome])
