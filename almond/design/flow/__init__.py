"""What a visit depends on beside its lists: conditions by which blocks are skipped, and checks."""
