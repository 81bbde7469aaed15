# What the rules share: the validated config, the wildcards that it allows, and the input functions.
import os
import re
import shlex
import site
import subprocess
import sys
from pathlib import Path

from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir, "src")))
from vitbench.backends.process import WITHOUT_GPU
from vitbench.backends.registry import BACKENDS
from vitbench.config.builders import check_builders
from vitbench.config.loading import ConfigError, parse_config
from vitbench.results.jobs import list_jobs
from vitbench.results.paths import Results
from vitbench.results.schema import COLUMNS, FIGURES
from vitbench.system.environment import has_gpu
from vitbench.system.files import atomic_write
from vitbench.system.fingerprint import fingerprint, source_files

try:
    experiment = parse_config(config)
    check_builders(experiment)
except ConfigError as error:
    raise WorkflowError(error)

# The whole config, for the jobs. It is not an input of theirs: a job is repeated when a setting that it depends on changes,
# which is among its params, and not when any other setting does.
CONFIG = Path(".snakemake", "vitbench", f"{experiment.digest()}.json")
if not CONFIG.exists():
    with atomic_write(CONFIG) as path:
        path.write_text(experiment.model_dump_json(indent=2))

PATHS = Results.for_experiment(experiment.experiment)
RESULTS = str(PATHS.root)
LOGS = f"{RESULTS}/logs"
GPUS_PER_JOB = 0 if experiment.accelerator == "cpu" else 1
RUNS, MEASUREMENTS = list_jobs(experiment)
TABLES = list(COLUMNS)

# Without --cores, the jobs run on a cluster.
ON_A_CLUSTER = workflow.global_resources["_cores"].value is None

# profiles/default, which Snakemake reads in addition to a --profile, limits the GPUs of this machine. A cluster has its own limits.
if ON_A_CLUSTER and getattr(workflow.global_resources.get("gpu"), "value", None) == 1:
    del workflow.global_resources["gpu"]

# Every environment, of conda or not, here or on a node of a cluster, gets the package and the config in the same way. Packages
# in the caller's own site-packages are not visible.
shell.prefix(
    "set -euo pipefail; export PYTHONNOUSERSITE=1"
    f" PYTHONPATH={shlex.quote(str(Path(workflow.basedir, 'src')))} VITBENCH_CONFIG={CONFIG}; "
)


def find_visible_packages():
    """Where pip finds packages of the caller while conda creates an environment, and therefore does not install them."""
    found = [f"{name}={os.environ[name]}" for name in ("PYTHONPATH", "PIP_USER", "PIP_TARGET") if os.environ.get(name)]
    user = Path(site.getuserbase(), "lib", "python3.11", "site-packages")
    if "PYTHONNOUSERSITE" not in os.environ and user.is_dir() and any(user.iterdir()):
        found.append(str(user))
    return found


if (
    workflow.is_main_process
    and "conda" in map(str, workflow.deployment_settings.deployment_method)
    and find_visible_packages()
):
    logger.warning(
        f"Environments that conda creates now may lack packages, because pip treats the packages found here as installed: "
        f"{', '.join(find_visible_packages())}. Run: unset PYTHONPATH PIP_USER PIP_TARGET; export PYTHONNOUSERSITE=1"
    )


wildcard_constraints:
    model="|".join(map(re.escape, experiment.models.parameters())),
    backend="|".join(map(re.escape, BACKENDS)),
    execution="published|tuned|native",
    precision="float32|tf32|mixed_bfloat16",
    seed=r"\d+",


def environment(backend):
    """The conda environment of a backend, for the configured accelerator."""
    variant = "-cpu" if experiment.accelerator == "cpu" else ""
    return str(Path(workflow.basedir, "envs", f"{backend}{variant}.yaml"))


def backend_environment(wildcards):
    return environment(wildcards.backend)


def model_environment(wildcards):
    return environment(experiment.reference_backend(wildcards.model))


def relevant(step):
    """The part of the config that decides the result of a job of `step`; when it changes, the job is repeated."""
    return lambda wildcards: experiment.relevant_settings(step, wildcards.get("model"))


def code(step):
    """A digest of the code of the step: editing a comment or a figure repeats no measurement.

    It includes a custom model with the modules that it imports from the folder in which Snakemake runs.
    """
    return lambda wildcards: fingerprint(f"vitbench.steps.{step}", *experiment.custom_modules(wildcards.get("model")))


def timed_threads():
    """All cores on a CPU, because anything beside a timed job would slow it down; otherwise an equal share per GPU.

    On a cluster the profile sets the number.
    """
    if ON_A_CLUSTER:
        return 1
    gpus = (GPUS_PER_JOB and workflow.global_resources.get("gpu").value) or 1
    return max(1, (workflow.cores or 1) // gpus)


def dataset_files(wildcards):
    """The user's files of the data set; when they change, the step data is repeated."""
    dataset = experiment.dataset
    if dataset.path is None:
        return []
    found = sorted(Path(dataset.path).glob("*.parquet")) if dataset.source == "parquet" else [Path(dataset.path)]
    if existing := [str(file) for file in found if file.exists()]:
        return existing
    if PATHS.manifest.exists():
        return []  # the images exist, so the files are not needed
    kind = "a folder with train*.parquet and test*.parquet" if dataset.source == "parquet" else "an .npz file"
    raise WorkflowError(f"dataset.path {dataset.path}: not found in {Path.cwd()}; it should be {kind}.")


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
    """All paths, so that they are made; for a partial report, only those that exist.

    The command for a partial report is: snakemake --cores 1 --allowed-rules all tables report
    """
    only_report = set(workflow.dag_settings.allowed_rules or ()) == {"all", "tables", "report"}
    return [str(path) for path in paths if path.exists() or not only_report]


def every_run(wildcards):
    return all_or_existing(job.result_path(PATHS) for job in RUNS)


def every_throughput(wildcards):
    return all_or_existing(job.result_path(PATHS) for job in MEASUREMENTS)


def every_parity(wildcards):
    return all_or_existing(PATHS.parity(*contestant) for contestant in experiment.model_backends())


def every_sample(wildcards):
    return [str(PATHS.sample(model, backend)) for model, backend in experiment.model_backends()]


def stop_without_gpu():
    """Raises an error if a local run would train on a machine without a GPU and the config does not allow it."""
    to_run = {job.rule.name for job in workflow.dag.needrun_jobs()}
    wants_gpu = experiment.accelerator == "auto" and not experiment.allow_cpu
    if wants_gpu and workflow.is_main_process and workflow.local_exec and "train" in to_run and not has_gpu():
        raise WorkflowError(f"This machine has no GPU, and accelerator is 'auto'. {WITHOUT_GPU}.")


def newest(files):
    """When the newest of `files` was modified, nanoseconds since 1970."""
    return max(Path(file).stat().st_mtime_ns for file in files)


def make_partial_report():
    """Makes tables and report although jobs failed without a result; each of them is a row with a status.

    Does nothing if the workflow was interrupted, or if there are no images yet.
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
    print("Jobs failed without a result. Making a partial report.", file=sys.stderr)
    if subprocess.run(command).returncode == 0:
        print(f"{RESULTS}/report.html says what failed; the same command continues.", file=sys.stderr)
