"""The steps of the pipeline, one module each: data, init, tune, parity, train, throughput, tables, report.

The steps sample and estimate predict the cost of an experiment, and compare reports how two experiments differ.
"""
