# vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?
#
#   snakemake --cores all                                                    the published experiment
#   snakemake --cores all --configfile config.yaml workflow/presets/demo.yaml   minutes, on a CPU
#   snakemake --cores all estimate                                           what it will cost here, from a few steps
#   add --use-conda to take each step's environment from envs/
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
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
    report_what_there_is()


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
