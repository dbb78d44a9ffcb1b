"""What workers do for the generation pages: the only modules of this app that load torch."""
