"""Questions without a test that a plan can call primary: what they show is exploratory."""
