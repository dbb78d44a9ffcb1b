"""Names of what can compute: the one list for configurations and backends. Light: loads nothing."""

BACKENDS = ("numpy", "torch")
DEVICES = ("cpu", "cuda")
PRECISIONS = ("float64", "float32")
