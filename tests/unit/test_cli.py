import json

import pytest
from typer.testing import CliRunner

from vitbench import cli, runner
from vitbench.config.schema import Config
from vitbench.results.jobs import Job

RUN = ["train", "--model", "vit", "--backend", "torch", "--seed", "3"]


@pytest.fixture
def config_file(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    path = tmp_path / "config.yaml"
    path.write_text("experiment: mine\nseeds: [3]\n")
    return str(path)


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, arguments)


def test_config_prints_every_key_with_its_default(config_file):
    printed = json.loads(invoke("config", config_file).stdout)
    assert printed["experiment"] == "mine" and set(printed) == set(Config.model_fields)


def test_a_later_config_file_overrides_an_earlier_one(config_file, tmp_path):
    (tmp_path / "second.yaml").write_text("experiment: second\n")
    printed = json.loads(invoke("config", config_file, str(tmp_path / "second.yaml")).stdout)
    assert printed["experiment"] == "second" and printed["seeds"] == [3]


def test_an_invalid_config_is_one_line_and_exit_status_2(config_file, tmp_path):
    (tmp_path / "config.yaml").write_text("experimnt: mine\n")
    result = invoke("config", config_file)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("Error: ") and "experimnt" in result.stderr and "Traceback" not in result.stderr


def test_an_unknown_model_is_an_error_that_lists_the_models(config_file):
    result = invoke("sample", "--config", config_file, "--model", "vti", "--backend", "jax")
    assert result.exit_code == 2
    assert result.stderr.strip() == "Error: the config has no model 'vti'. It has vit, resnet50v2."


def test_an_unknown_backend_is_an_error(config_file):
    result = invoke("sample", "--config", config_file, "--model", "vit", "--backend", "mxnet")
    assert result.exit_code == 2 and "mxnet" in result.stderr


@pytest.mark.parametrize(
    ("command", "job"),
    [
        (RUN, Job("vit", "torch", "tuned", "float32", 3)),
        ([*RUN, "--execution", "published", "--precision", "tf32"], Job("vit", "torch", "published", "tf32", 3)),
        (["throughput", "--model", "vit", "--backend", "jax"], Job("vit", "jax", "tuned", "float32", round="1")),
        (
            ["throughput", "--model", "vit", "--backend", "jax", "--execution", "native", "--round", "2-control"],
            Job("vit", "jax", "native", "float32", round="2-control"),
        ),
    ],
)
def test_the_options_of_train_and_throughput_name_a_job(config_file, monkeypatch, command, job):
    jobs = []
    monkeypatch.setattr(runner, "run_job", lambda config, results, job: jobs.append((config.experiment, job)))
    monkeypatch.setenv("VITBENCH_CONFIG", config_file)
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert jobs == [("mine", job)]


def test_estimate_needs_no_log_file(config_file, monkeypatch):
    experiments = []
    monkeypatch.setattr(runner, "run_estimate", lambda config, results: experiments.append(config.experiment))
    assert invoke("estimate", "--config", config_file).exit_code == 0
    assert experiments == ["mine"]
