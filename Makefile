.PHONY: lock
