import dataclasses

from vitbench.config.schema import Config
from vitbench.results.jobs import Job, list_jobs
from vitbench.results.paths import Results
from vitbench.results.schema import KEY_COLUMNS

RUN = Job("vit", "jax", "tuned", "float32", 1)
MEASUREMENT = Job("vit", "jax", "native", "tf32")


def test_every_configuration_has_one_run_per_seed_and_one_measurement_per_execution_mode():
    config = Config(backends=["jax", "tensorflow"], seeds=[3, 4], baseline={"backends": ["torch"], "seeds": [5]})
    runs, measurements = list_jobs(config)
    assert [dataclasses.astuple(job) for job in runs] == [
        ("vit", "jax", "tuned", "float32", 3),
        ("vit", "jax", "tuned", "float32", 4),
        ("vit", "tensorflow", "tuned", "float32", 3),
        ("vit", "tensorflow", "tuned", "float32", 4),
        ("resnet50v2", "torch", "tuned", "float32", 5),
    ]
    assert [(job.model, job.backend, job.execution, job.seed) for job in measurements] == [
        ("vit", "jax", "published", None),
        ("vit", "jax", "tuned", None),
        ("vit", "jax", "native", None),
        ("vit", "tensorflow", "published", None),
        ("vit", "tensorflow", "tuned", None),
        ("resnet50v2", "torch", "published", None),
        ("resnet50v2", "torch", "tuned", None),
    ]


def test_a_job_with_a_seed_is_a_run_and_one_without_is_a_measurement():
    results = Results.for_experiment("mine")
    assert (RUN.step, MEASUREMENT.step) == ("train", "throughput")
    assert RUN.result_path(results) == results.run(*dataclasses.astuple(RUN)) / "metrics.json"
    assert MEASUREMENT.result_path(results) == results.throughput("vit", "jax", "native", "tf32")
    assert RUN.log_names == ("vit", "jax", "tuned", "float32", "seed1")
    assert MEASUREMENT.log_names == ("vit", "jax", "native", "tf32")


def test_the_text_of_a_job_names_what_is_not_the_default():
    assert str(RUN) == "vit · jax · tuned · seed 1"
    assert str(MEASUREMENT) == "vit · jax · native · tf32"


def test_the_key_columns_of_a_measurement_have_no_seed():
    assert list(MEASUREMENT.key_columns(Config())) == KEY_COLUMNS
    assert list(RUN.key_columns(Config())) == [*KEY_COLUMNS, "seed"]
