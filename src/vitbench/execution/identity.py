"""What decides the numbers of a timed job, so that an interrupted one is only continued if nothing has changed."""

from dataclasses import asdict

from vitbench.backends.plan import Plan
from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.environment import COMPUTING, installed_versions
from vitbench.system.files import read_json
from vitbench.system.fingerprint import fingerprint


def describe_job(config: Config, results: Results, job: Job, plan: Plan | None) -> dict:
    """The settings, plan, images, code and packages of `job`, as JSON. plan: None for a native model."""
    return {
        **asdict(job),
        "settings": config.relevant_settings(job.step, job.model),
        "plan": plan and plan.as_dict(),
        "images": read_json(results.manifest)["sha256"],
        "code": fingerprint(f"vitbench.steps.{job.step}", *config.custom_modules(job.model)),
        "packages": installed_versions(COMPUTING),
    }
