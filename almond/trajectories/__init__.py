"""Trajectories: pictures of one scene whose scores lie at equal distances."""
