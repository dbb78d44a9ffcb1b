"""What a participant's answers come to during a visit: what is not asked any more, and how checks went."""
