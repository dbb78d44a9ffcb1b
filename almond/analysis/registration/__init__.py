"""How an analysis relates to its frozen plan: label, verdicts, deviations, amendments, the plan in words."""
