# What one call of snakemake announces and records about itself.
import csv
import datetime
import json
import subprocess
import time

STARTED = time.time()
# Where this call is itself a job of Slurm; the executor takes the variable away later.
OWN_JOB = os.environ.get("SLURM_JOB_ID")


def jobs_left():
    """Numbers of the Slurm jobs that an earlier call in this folder has submitted and that have not ended."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%Z"]
    listing = subprocess.run(command, capture_output=True, text=True)
    if listing.returncode:
        sys.exit(f"error: squeue, which lists Slurm's jobs, failed: {' '.join(listing.stderr.split())}")
    jobs = [line.split("|", 1) for line in listing.stdout.splitlines()]
    here = os.path.realpath(".")
    return [job for job, folder in jobs if job != OWN_JOB and os.path.realpath(folder) == here]


def refuse_jobs_left():
    """End the program when two jobs could write the same file: this call's, and one of a call that was killed."""
    if workflow.executor_plugin.name == "slurm" and (left := jobs_left()):
        sys.exit(
            f"error: Slurm still has jobs of an earlier call in this folder: `scancel {' '.join(left)}` (trainings"
            " resume from their checkpoints) or wait for them, then start again"
        )


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
