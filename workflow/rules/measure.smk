# train, throughput: accuracy and speed of each configuration. Each job is one process with one backend.


rule train:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
        init=f"{RESULTS}/init/{{model}}-seed{{seed}}.weights.h5",
        plan=f"{RESULTS}/tune/{{model}}/{{backend}}/{{precision}}.json",
        parity=f"{RESULTS}/parity/{{model}}/{{backend}}.json",
    # best.weights.h5 and predictions.npz are not declared, because a run that failed or was gated has none, but is a result.
    output:
        metrics=f"{RESULTS}/runs/{{model}}/{{backend}}/{{execution}}/{{precision}}/seed{{seed}}/metrics.json",
        history=f"{RESULTS}/runs/{{model}}/{{backend}}/{{execution}}/{{precision}}/seed{{seed}}/history.csv",
        environment=f"{RESULTS}/runs/{{model}}/{{backend}}/{{execution}}/{{precision}}/seed{{seed}}/environment.json",
    log:
        f"{LOGS}/train/{{model}}-{{backend}}-{{execution}}-{{precision}}-seed{{seed}}.log",
    conda:
        backend_environment
    threads: timed_threads()
    resources:
        gpu=GPUS_PER_JOB,
    params:
        settings=relevant_settings("train"),
        code=code_digest("train"),
    message:
        "train: {wildcards.model} on {wildcards.backend}, {wildcards.execution}, {wildcards.precision}, seed {wildcards.seed}"
    shell:
        "python -m vitbench train --model {wildcards.model} --backend {wildcards.backend}"
        " --execution {wildcards.execution} --precision {wildcards.precision} --seed {wildcards.seed} --log {log}"


rule throughput:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
        init=first_seed_init,
        plan=f"{RESULTS}/tune/{{model}}/{{backend}}/{{precision}}.json",
        parity=f"{RESULTS}/parity/{{model}}/{{backend}}.json",
    output:
        f"{RESULTS}/throughput/{{model}}/{{backend}}/{{execution}}/{{precision}}/round{{round}}.json",
    log:
        f"{LOGS}/throughput/{{model}}-{{backend}}-{{execution}}-{{precision}}-round{{round}}.log",
    priority: round_priority
    conda:
        backend_environment
    threads: timed_threads()
    resources:
        gpu=GPUS_PER_JOB,
    params:
        settings=relevant_settings("throughput"),
        code=code_digest("throughput"),
    message:
        "throughput: {wildcards.model} on {wildcards.backend}, {wildcards.execution}, {wildcards.precision}, round {wildcards.round}"
    shell:
        "python -m vitbench throughput --model {wildcards.model} --backend {wildcards.backend}"
        " --execution {wildcards.execution} --precision {wildcards.precision} --round {wildcards.round} --log {log}"
