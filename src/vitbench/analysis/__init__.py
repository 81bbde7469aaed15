"""Tables to findings: statistics, comparisons, startup times and time to accuracy. Imports no framework."""
