"""The flow, one module per step, in this order of reading: data init tune parity train throughput tables report."""
