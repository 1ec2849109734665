"""The content of a configuration file: read, checked and typed; nothing here computes."""
