# vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?
#
#   snakemake --cores all                                                       the published experiment
#   snakemake --cores all --configfile config.yaml workflow/presets/demo.yaml   a demo that takes minutes on a CPU
#   snakemake --cores all estimate                                              what the experiment will cost here
#
# Add --use-conda to run each step in its environment from envs/.
from snakemake.utils import min_version

# The first version that requires pydantic, which checks the config.
min_version("9.17")


report: "workflow/report/workflow.rst"


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/environments.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/estimate.smk"
include: "workflow/rules/gate.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    data,
    init,
    estimate,
    tables,
    report,


onstart:
    stop_without_gpu()


onerror:
    make_partial_report()


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        # A deleted result is computed again.
        every_run,
        every_throughput,
        every_parity,
