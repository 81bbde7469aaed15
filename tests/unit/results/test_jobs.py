import itertools

import pytest

from vitbench.config.schema import Config
from vitbench.results.jobs import Job, find_control, list_measurements, list_runs
from vitbench.results.paths import Results
from vitbench.results.schema import KEY_COLUMNS

RUN = Job("vit", "jax", "tuned", "float32", 1)
ROUND = Job("vit", "jax", "native", "tf32", round="2")
CONTROL = Job("vit", "jax", "tuned", "float32", round="2-control")
CONFIG = Config(backends=["jax", "tensorflow"], seeds=[3, 4], baseline={"backends": ["torch"], "seeds": [5]})


def test_every_configuration_has_one_run_per_seed():
    assert [job.run_key for job in list_runs(CONFIG)] == [
        ("vit", "jax", "tuned", "float32", 3),
        ("vit", "jax", "tuned", "float32", 4),
        ("vit", "tensorflow", "tuned", "float32", 3),
        ("vit", "tensorflow", "tuned", "float32", 4),
        ("resnet50v2", "torch", "tuned", "float32", 5),
    ]


def test_every_timed_execution_mode_is_measured_once_per_round():
    measurements = [job for job in list_measurements(CONFIG) if not job.is_control]
    timed = {
        ("vit", "jax", "published"),
        ("vit", "jax", "tuned"),
        ("vit", "jax", "native"),
        ("vit", "tensorflow", "published"),
        ("vit", "tensorflow", "tuned"),
        ("vit", "tensorflow", "native"),
        ("resnet50v2", "torch", "published"),
        ("resnet50v2", "torch", "tuned"),
    }
    for number in range(1, CONFIG.throughput.rounds + 1):
        in_round = [job.configuration[:3] for job in measurements if job.round_number == number]
        assert len(in_round) == len(timed) and set(in_round) == timed


def test_all_configurations_are_measured_in_a_round_before_the_next_one_begins_in_another_order():
    measurements = list_measurements(CONFIG)
    numbers = [job.round_number for job in measurements]
    assert numbers == sorted(numbers)
    orders = {
        tuple((job.configuration, job.is_control) for job in jobs)
        for _, jobs in itertools.groupby(measurements, key=lambda job: job.round_number)
    }
    assert len(orders) == CONFIG.throughput.rounds
    assert list_measurements(CONFIG) == measurements  # the same in every process that plans


def test_an_execution_mode_may_have_fewer_rounds():
    config = CONFIG.model_copy(
        update={"throughput": CONFIG.throughput.model_copy(update={"rounds": 3, "rounds_by_execution": {"native": 1}})}
    )
    counts = {mode: sum(job.execution == mode for job in list_measurements(config)) for mode in ("native", "published")}
    assert counts == {"native": 2, "published": 9}


def test_one_tuned_configuration_is_measured_twice_per_round_unless_that_is_off():
    controls = [job for job in list_measurements(CONFIG) if job.is_control]
    assert [(job.configuration, job.round) for job in controls] == [
        (("vit", "jax", "tuned", "float32"), f"{number}-control") for number in range(1, 6)
    ]
    config = Config(throughput={"control": False})
    assert find_control(config) is None and not any(job.is_control for job in list_measurements(config))


def test_a_job_with_a_seed_is_a_run_and_one_with_a_round_is_a_measurement():
    results = Results.for_experiment("mine")
    assert (RUN.step, ROUND.step) == ("train", "throughput")
    assert RUN.result_path(results) == results.run(*RUN.run_key) / "metrics.json"
    assert ROUND.result_path(results) == results.throughput("vit", "jax", "native", "tf32", "2")
    assert RUN.log_names == ("vit", "jax", "tuned", "float32", "seed1")
    assert CONTROL.log_names == ("vit", "jax", "tuned", "float32", "round2-control")


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (RUN, "vit · jax · tuned · seed 1"),
        (ROUND, "vit · jax · native · tf32 · round 2"),
        (CONTROL, "vit · jax · tuned · round 2 (control)"),
    ],
)
def test_the_text_of_a_job_names_what_is_not_the_default(job, text):
    assert str(job) == text


def test_the_key_columns_are_those_of_the_tables():
    assert list(RUN.key_columns(CONFIG)) == [*KEY_COLUMNS, "seed"]
    keys = CONTROL.key_columns(CONFIG)
    assert list(keys) == [*KEY_COLUMNS, "round", "control"] and (keys["round"], keys["control"]) == (2, True)
