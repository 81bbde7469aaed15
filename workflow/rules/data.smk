# data, init: the images and initial weights from which every backend starts.


rule data:
    input:
        dataset_files,
    output:
        manifest=f"{RESULTS}/data/manifest.json",
        arrays=expand(
            f"{RESULTS}/data/{{name}}.npy",
            name=["x_train", "y_train", "x_test", "y_test"],
        ),
    log:
        f"{LOGS}/data.log",
    priority: PREPARATION
    retries: 3 if experiment.dataset.source == "keras" else 0
    conda:
        environment_file(experiment.data_backend())
    params:
        settings=relevant_settings("data"),
        code=code_digest("data"),
    message:
        "data: the images of {experiment.dataset.name}"
    shell:
        "python -m vitbench data --log {log}"


rule init:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
    output:
        f"{RESULTS}/init/{{model}}-seed{{seed}}.weights.h5",
    log:
        f"{LOGS}/init/{{model}}-seed{{seed}}.log",
    priority: PREPARATION
    retries: 0
    conda:
        model_environment
    params:
        settings=relevant_settings("init"),
        code=code_digest("init"),
    message:
        "init: the initial weights of {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m vitbench init --model {wildcards.model} --seed {wildcards.seed} --log {log}"
