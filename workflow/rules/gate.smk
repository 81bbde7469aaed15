# tune, parity: the fastest plan of each backend, and whether the backend computes the same as the reference.


rule tune:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
        init=first_seed_init,
    output:
        f"{RESULTS}/tune/{{model}}/{{backend}}/{{precision}}.json",
    log:
        f"{LOGS}/tune/{{model}}-{{backend}}-{{precision}}.log",
    priority: PREPARATION
    conda:
        backend_environment
    threads: timed_threads()
    resources:
        gpu=GPUS_PER_JOB,
    params:
        settings=relevant_settings("tune"),
        code=code_digest("tune"),
    message:
        "tune: {wildcards.model} on {wildcards.backend}, {wildcards.precision}"
    shell:
        "python -m vitbench tune --model {wildcards.model} --backend {wildcards.backend}"
        " --precision {wildcards.precision} --log {log}"


rule parity:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
        init=first_seed_init,
        plans=tuned_plans,
        reference=reference_quantities,
    output:
        verdict=f"{RESULTS}/parity/{{model}}/{{backend}}.json",
        quantities=f"{RESULTS}/parity/{{model}}/{{backend}}.npz",
    log:
        f"{LOGS}/parity/{{model}}-{{backend}}.log",
    priority: PREPARATION
    conda:
        backend_environment
    resources:
        gpu=GPUS_PER_JOB,
    params:
        settings=relevant_settings("parity"),
        code=code_digest("parity"),
    message:
        "parity: {wildcards.model} on {wildcards.backend}"
    shell:
        "python -m vitbench parity --model {wildcards.model} --backend {wildcards.backend} --log {log}"
