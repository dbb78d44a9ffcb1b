"""What an experimenter fills in on the encoding pages; checked where it is typed."""
