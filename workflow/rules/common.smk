# What the rules share: the checked config, the wildcards that it allows, and the input functions.
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "src")))
from vitbench.backends.process import WITHOUT_GPU
from vitbench.backends.registry import BACKENDS
from vitbench.config.builders import check_builders
from vitbench.config.loading import ConfigError, parse_config
from vitbench.results.jobs import CONTROL, list_measurements, list_runs
from vitbench.results.paths import Results
from vitbench.results.schema import COLUMNS, FIGURES
from vitbench.system.files import atomic_write
from vitbench.system.fingerprint import fingerprint, notebook_imports, source_files
from vitbench.system.gpus import has_gpu

try:
    experiment = parse_config(config)
    check_builders(experiment)
except ConfigError as error:
    raise WorkflowError(error)

# The whole config, for the commands of the jobs. It is not an input of any rule: a job is repeated only if a setting changes
# on which it depends, and those are among its params.
CONFIG = Path(".snakemake", "vitbench", f"{experiment.digest()}.json")
if not CONFIG.exists():
    with atomic_write(CONFIG) as path:
        path.write_text(experiment.model_dump_json(indent=2))

PATHS = Results.for_experiment(experiment.experiment)
RESULTS = str(PATHS.root)
LOGS = f"{RESULTS}/logs"
GPUS_PER_JOB = 0 if experiment.accelerator == "cpu" else 1
RUNS, MEASUREMENTS = list_runs(experiment), list_measurements(experiment)
TABLES = list(COLUMNS)

# A run on a cluster has --jobs instead of --cores.
ON_A_CLUSTER = workflow.global_resources["_cores"].value is None

# Snakemake reads profiles/default in addition to a --profile. Its limit of GPUs is for this machine, not for a cluster.
if ON_A_CLUSTER and getattr(workflow.global_resources.get("gpu"), "value", None) == 1:
    del workflow.global_resources["gpu"]


wildcard_constraints:
    model="|".join(map(re.escape, experiment.models.parameters())),
    backend="|".join(map(re.escape, BACKENDS)),
    execution="published|tuned|native",
    precision="float32|tf32|mixed_bfloat16",
    seed=r"\d+",
    round=rf"\d+({CONTROL})?",


def relevant_settings(step):
    """The part of the config on which the result of `step` depends; when it changes, the job is repeated."""
    return lambda wildcards: experiment.relevant_settings(step, wildcards.get("model"))


def code_digest(step):
    """A digest of the code of `step`, so that editing a comment or a figure repeats no measurement.

    It includes the module of a custom model and what that imports from the folder in which Snakemake runs.
    """
    return lambda wildcards: fingerprint(f"vitbench.steps.{step}", *experiment.custom_modules(wildcards.get("model")))


def timed_threads():
    """The threads of a timed job: all cores on a CPU, because other jobs would slow it down; an equal share per GPU.

    On a cluster the profile sets the number.
    """
    if ON_A_CLUSTER:
        return 1
    gpus = (GPUS_PER_JOB and workflow.global_resources.get("gpu").value) or 1
    return max(1, (workflow.cores or 1) // gpus)


# Jobs with a higher priority start first. All preparation precedes the first round, and the rounds precede the training.
PREPARATION = 10_000
PRIORITIES = {(*job.configuration, job.round): len(MEASUREMENTS) - i for i, job in enumerate(MEASUREMENTS)}


def round_priority(wildcards):
    """The place of a round among all rounds: every configuration's round r comes before any round r + 1."""
    key = (wildcards.model, wildcards.backend, wildcards.execution, wildcards.precision, wildcards.round)
    return PRIORITIES.get(key, 0)


def dataset_files(wildcards):
    """The user's files of the data set; when one changes, the step data is repeated."""
    dataset = experiment.dataset
    if dataset.path is None:
        return []
    files = sorted(Path(dataset.path).glob("*.parquet")) if dataset.source == "parquet" else [Path(dataset.path)]
    if existing := [str(file) for file in files if file.exists()]:
        return existing
    if PATHS.manifest.exists():
        return []  # the arrays exist already, so the files are no longer needed
    kind = "a folder with train*.parquet and test*.parquet" if dataset.source == "parquet" else "an .npz file"
    raise WorkflowError(f"dataset.path {dataset.path}: not found in {Path.cwd()}; it must be {kind}.")


def first_seed_init(wildcards):
    return f"{RESULTS}/init/{wildcards.model}-seed{experiment.model_seeds(wildcards.model)[0]}.weights.h5"


def tuned_plans(wildcards):
    """The tuned plans; empty for a backend that only serves as the reference."""
    if (wildcards.model, wildcards.backend) not in experiment.model_backends():
        return []
    return [str(PATHS.tune(wildcards.model, wildcards.backend, precision)) for precision in experiment.precisions]


def reference_quantities(wildcards):
    """The quantities of the reference backend; empty for the reference itself."""
    reference = experiment.reference_backend(wildcards.model)
    return [] if reference == wildcards.backend else f"{RESULTS}/parity/{wildcards.model}/{reference}.npz"


def all_or_existing(paths):
    """All `paths`, so that missing ones are made; for a partial report, only those that exist.

    The command for a partial report is: snakemake --cores 1 --allowed-rules all tables report
    """
    is_partial = set(workflow.dag_settings.allowed_rules or ()) == {"all", "tables", "report"}
    return [str(path) for path in paths if path.exists() or not is_partial]


def every_run(wildcards):
    return all_or_existing(job.result_path(PATHS) for job in RUNS)


def every_throughput(wildcards):
    return all_or_existing(job.result_path(PATHS) for job in MEASUREMENTS)


def every_parity(wildcards):
    return all_or_existing(PATHS.parity(model, backend) for model, backend in experiment.model_backends())


def every_sample(wildcards):
    return [str(PATHS.sample(model, backend)) for model, backend in experiment.model_backends()]


def stop_without_gpu():
    """Raises WorkflowError if a local run would train on a machine without a GPU and the config does not allow it."""
    if experiment.accelerator != "auto" or experiment.allow_cpu or has_gpu():
        return
    # Without an executor plugin, Snakemake only creates environments, perhaps on the login node of a cluster.
    is_local = workflow.is_main_process and workflow.executor_plugin is not None and workflow.local_exec
    if is_local and "train" in {job.rule.name for job in workflow.dag.needrun_jobs()}:
        raise WorkflowError(f"This machine has no GPU, and accelerator is 'auto'. {WITHOUT_GPU}.")


def last_modified(files):
    """The latest modification time of `files`, nanoseconds since 1970."""
    return max(Path(file).stat().st_mtime_ns for file in files)


def make_partial_report():
    """Makes the tables and the report although jobs failed without a result. Each of those is a row with a status.

    Does nothing if the workflow was interrupted, if the step data or the report itself failed, or for an estimate.
    """
    failed = {job.rule.name for job in workflow.scheduler.failed}
    if not failed or failed & {"estimate", "sample", "tables", "report"} or not PATHS.manifest.exists():
        return
    deployment = workflow.deployment_settings
    methods = [str(method) for method in deployment.deployment_method]
    command = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
    command += ["--configfile", str(CONFIG), "--replace-workflow-config", "--workflow-profile", "none"]
    command += ["--cores", "1", "--nolock", "--quiet", "all", "--forcerun", "tables"]
    command += ["--software-deployment-method", *methods] if methods else []
    command += ["--conda-prefix", str(deployment.conda_prefix)] if deployment.conda_prefix else []
    command += ["--allowed-rules", "all", "tables", "report"]
    print("Jobs failed without a result. Generating a partial report.", file=sys.stderr)
    if subprocess.run(command).returncode == 0:
        print(f"{RESULTS}/report.html says what failed. Run the same command again to continue.", file=sys.stderr)
