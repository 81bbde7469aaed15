# vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?
#
#   snakemake --cores all                                                    the published experiment
#   snakemake --cores all --configfile config.yaml workflow/presets/demo.yaml   minutes, on a CPU
#   add --use-conda to take each step's environment from envs/
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/gate.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    data,
    tables,
    report,


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
