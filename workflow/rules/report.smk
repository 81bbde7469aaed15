# tables, report: from the results of all jobs to one HTML file.

NOTEBOOK = Path(workflow.basedir, "reports", "benchmark.ipynb")
REPORT_SOURCES = source_files("vitbench.steps.report", *notebook_imports(NOTEBOOK))
REPORT_TEMPLATE = sorted(str(path) for path in Path(workflow.basedir, "reports", "template").iterdir())


rule tables:
    input:
        runs=every_run,
        throughput=every_throughput,
        parity=every_parity,
        source=source_files("vitbench.steps.tables"),
    output:
        config=f"{RESULTS}/config.json",
        csv=[
            report(
                f"{RESULTS}/tables/{name}.csv",
                category="Tables",
                labels={"table": name},
                caption=f"../../reports/captions/table-{name}.rst",
            )
            for name in TABLES
        ],
        parquet=expand(f"{RESULTS}/tables/{{name}}.parquet", name=TABLES),
    log:
        f"{LOGS}/tables.log",
    retries: 0
    conda:
        "../../envs/report.yaml"
    params:
        settings=experiment.canonical_json(),
    message:
        "tables: all results"
    shell:
        "python -m vitbench tables --log {log}"


rule report:
    input:
        config=f"{RESULTS}/config.json",
        manifest=f"{RESULTS}/data/manifest.json",
        tables=expand(f"{RESULTS}/tables/{{name}}.parquet", name=TABLES),
        notebook=str(NOTEBOOK),
        template=REPORT_TEMPLATE,
        source=REPORT_SOURCES,
    output:
        html=report(
            f"{RESULTS}/report.html",
            category="Report",
            labels={"report": experiment.experiment},
            caption="../../reports/captions/report.rst",
        ),
        figures=[
            report(
                f"{RESULTS}/figures/{name}.svg",
                category="Figures",
                labels={"figure": name.replace("_", " ")},
                caption=f"../../reports/captions/figure-{name}.rst",
            )
            for name in FIGURES
        ],
        notebook=f"{RESULTS}/report.ipynb",
    log:
        f"{LOGS}/report.log",
    retries: 0
    conda:
        "../../envs/report.yaml"
    params:
        # Snakemake takes a touched file with the same content for unchanged. Here it renders the report again.
        touched=last_modified(REPORT_SOURCES),
    message:
        "report: {output.html}"
    shell:
        "python -m vitbench report --log {log}"
