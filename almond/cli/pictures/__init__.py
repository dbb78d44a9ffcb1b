"""Commands about pictures: models that make them, what guides them, and what moved."""
