# The conda environments: which one a job needs, how they are created, and what happens if conda cannot create one.
import contextlib
import os
import shlex

from snakemake.deployment.conda import Env
from snakemake.exceptions import CreateCondaEnvironmentException
from snakemake.logging import logger

USES_CONDA = "conda" in map(str, workflow.deployment_settings.deployment_method)
CREATE = Env.create

# With these settings, pip would install elsewhere, skip what it finds elsewhere, or refuse to install.
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
WANTED = {"PYTHONNOUSERSITE": "1", "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def environment_file(backend):
    return str(Path(workflow.basedir, "envs", f"{experiment.environment(backend)}.yaml"))


def backend_environment(wildcards):
    return environment_file(wildcards.backend)


def model_environment(wildcards):
    return environment_file(experiment.reference_backend(wildcards.model))


def create_environment(env, dryrun=False):
    """Creates an environment as Snakemake does, except that a failure only stops the jobs that need the environment.

    Snakemake would stop everything. Its output is written to a log, from which the report quotes.
    """
    if not dryrun:
        stop_without_gpu()  # before gigabytes are downloaded
    name = Path(env.file.get_filename()).stem
    log = PATHS.log("environment", name)
    try:
        with changed_variables():
            address = CREATE(env, dryrun)
    except CreateCondaEnvironmentException as error:
        if name in experiment.required_environments():
            raise
        with atomic_write(log) as path:
            path.write_text(str(error))
        logger.error(
            f"{error}\n\nThe environment {name} could not be created, so all jobs fail that need it. The others go on."
        )
        return env.address
    if not dryrun:
        log.unlink(missing_ok=True)
    return address


@contextlib.contextmanager
def changed_variables():
    """Changes the variables of this process that decide where pip installs."""
    before = dict(os.environ)
    for name in UNWANTED:
        os.environ.pop(name, None)
    os.environ.update(WANTED)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def command_prefix():
    """What precedes the command of every job.

    Every command gets the package and the config in the same way, in any environment, here or on a node of a cluster. It
    does not see packages in the user's own site-packages.
    """
    source = shlex.quote(str(Path(workflow.basedir, "src")))
    prefix = f"set -euo pipefail; export PYTHONNOUSERSITE=1 PYTHONPATH={source} VITBENCH_CONFIG={CONFIG}; "
    if not USES_CONDA:
        return prefix
    # Snakemake runs the command even if the environment was not activated, and then in whatever environment it is itself.
    outer = shlex.quote(os.environ.get("CONDA_PREFIX", ""))
    message = "The conda environment of this job was not activated."
    return f'if [ "$CONDA_PREFIX" = {outer} ]; then echo "{message}" >&2; exit 1; fi; {prefix}'


shell.prefix(command_prefix())

if USES_CONDA and workflow.is_main_process:
    Env.create = create_environment
