# sample, estimate: what the experiment will cost on this machine, before it starts.


rule sample:
    input:
        manifest=f"{RESULTS}/data/manifest.json",
    output:
        f"{RESULTS}/sample/{{model}}/{{backend}}.json",
    log:
        f"{LOGS}/sample/{{model}}-{{backend}}.log",
    conda:
        backend_environment
    threads: timed_threads()
    resources:
        gpu=GPUS_PER_JOB,
    params:
        settings=relevant_settings("sample"),
        code=code_digest("sample"),
    message:
        "sample: a few steps of {wildcards.model} on {wildcards.backend}"
    shell:
        "python -m vitbench sample --model {wildcards.model} --backend {wildcards.backend} --log {log}"


# This rule has no output, so it runs whenever it is requested.
rule estimate:
    input:
        samples=every_sample,
    log:
        f"{LOGS}/estimate.log",
    retries: 0
    conda:
        "../../envs/report.yaml"
    message:
        "estimate: what this experiment will cost"
    shell:
        "python -m vitbench estimate 2> {log}"
