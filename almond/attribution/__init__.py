"""Attribution: which parts of a picture a score comes from, and whether such a map can be believed."""
