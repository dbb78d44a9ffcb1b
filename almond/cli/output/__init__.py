"""What commands print: tables of settings, and one line for what a person can mend."""
