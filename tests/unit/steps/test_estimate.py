import re

import numpy as np
import pytest
from scipy import stats

from vitbench.config.schema import Config
from vitbench.formatting import format_duration
from vitbench.measure import timing
from vitbench.measure.breakdown import COMPARED_BLOCKS
from vitbench.results.paths import Results
from vitbench.steps.estimate import (
    BREAKDOWN_BLOCKS,
    LEAST_REPETITIONS,
    describe_power,
    estimate_cost,
    list_missing_samples,
    run,
)
from vitbench.system.files import write_json

CONFIG = Config.model_validate(
    {
        "models": {"resnet50v2": None},
        "baseline": None,
        "backends": ["jax", "torch"],
        "seeds": [0, 1],
        "training": {"epochs": 10, "batch_size": 50},
        "tuning": {"budget_seconds": 30},
        "executions": {"throughput": ["published", "tuned"]},
        "throughput": {
            "rounds": 2,
            "rounds_by_execution": {"published": 1},
            "warmup_steps": 4,
            "blocks": 3,
            "steps_per_block": 10,
            "block_seconds": 0,
        },
    }
)


def sample(model: str, backend: str, **changes) -> dict:
    values = {
        "model": model,
        "backend": backend,
        "settings": CONFIG.relevant_settings("sample", model),
        "batch_size": 50,
        "startup_seconds": 20.0,
        "first_step_seconds": 15.0,
        "step_seconds": 2.0,
        "inference_images_per_second": 100.0,
        "train_images": 420,
        "validation_images": 50,
        "test_images": 300,
        "peak_host_memory_bytes": 2_500_000_000,
        "peak_device_memory_bytes": None,
        "device": {"type": "cpu", "name": None},
    }
    return values | changes


def test_an_epoch_costs_its_steps_and_its_validation():
    estimate = estimate_cost(CONFIG, sample("vit", "jax"))
    assert estimate.epoch_seconds == 9 * 2.0 + 50 / 100  # 420 images are 9 steps, the last of which is smaller


def test_a_run_costs_its_startup_its_epochs_and_its_test():
    estimate = estimate_cost(CONFIG, sample("vit", "jax"))
    assert estimate.run_seconds == 20 + 10 * 18.5 + 300 / 100
    assert estimate.runs == 2


def test_the_total_includes_seeds_executions_tuning_and_the_rounds_of_throughput():
    estimate = estimate_cost(CONFIG, sample("vit", "jax"))
    train = 3 * 4 * 2.0 + (3 + 1) * 10.0  # ten training steps would exceed the longest block, so a block takes 10 s
    infer = 3 * 4 * 0.5 + 3 * 5.0
    rounds = 1 + 2 + 2  # published, tuned, and the control of tuned
    breakdown = 15 + (3 + 10) * 10.0  # in the first round of both execution modes
    expected = 2 * estimate.run_seconds + 30 + rounds * (20 + train + infer) + 2 * breakdown
    assert estimate.total_seconds == pytest.approx(expected)


def test_the_constants_are_those_of_the_measurement():
    assert LEAST_REPETITIONS == timing.LEAST_REPETITIONS
    assert BREAKDOWN_BLOCKS == 3 * COMPARED_BLOCKS + 1


def test_memory_is_that_of_the_device_if_there_is_one():
    assert estimate_cost(CONFIG, sample("vit", "jax")).memory_bytes == 2_500_000_000
    assert estimate_cost(CONFIG, sample("vit", "jax", peak_device_memory_bytes=7)).memory_bytes == 7


def test_a_sample_with_other_settings_counts_as_missing(tmp_path):
    results = Results(tmp_path)
    assert list_missing_samples(CONFIG, results) == [("vit", "jax"), ("vit", "torch")]
    write_json(results.sample("vit", "jax"), sample("vit", "jax"))
    write_json(results.sample("vit", "torch"), sample("vit", "torch", settings="other"))
    assert list_missing_samples(CONFIG, results) == [("vit", "torch")]


def test_the_table_has_each_backend_and_the_total(tmp_path, capsys):
    results = Results(tmp_path)
    for backend in ("jax", "torch"):
        write_json(results.sample("vit", backend), sample("vit", backend))
    run(CONFIG, results)
    output = capsys.readouterr().out
    assert all(word in output for word in ("jax", "torch", "18.5", "15.0", "2.5", "the CPU"))
    total = sum(estimate_cost(CONFIG, sample("vit", b)).total_seconds for b in ("jax", "torch"))
    assert f"About {format_duration(total)} in total" in output


def test_the_power_of_the_configured_seeds_is_that_of_simulated_experiments():
    (sentence,) = describe_power(CONFIG.model_copy(update={"seeds": [0, 1, 2]}))
    powers = [float(number) for number in re.findall(r"0\.\d\d(?!\d)", sentence)]
    random, alpha, margin = np.random.default_rng(0), 0.05, CONFIG.statistics.equivalence_margin
    for seeds, power in zip((3, 6), powers[-2:], strict=True):
        differences = np.subtract(*random.normal(0.6, 0.005, (2, 20_000, seeds)))
        error = differences.std(axis=1, ddof=1) / np.sqrt(seeds)
        is_shown = np.abs(differences.mean(axis=1)) + stats.t.isf(alpha, seeds - 1) * error < margin
        assert power == pytest.approx(is_shown.mean(), abs=0.015)
    assert "3 seeds show with a probability of 0.29" in sentence


def test_one_seed_and_one_backend_have_no_power():
    assert "no verdict" in describe_power(CONFIG.model_copy(update={"seeds": [0]}))[0]
    assert describe_power(CONFIG.model_copy(update={"backends": ["jax"]})) == []
