"""How a model is executed: plans, the assembled model, its input pipeline and the audit of what was executed."""
