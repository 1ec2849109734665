"""The content of a configuration file, checked and typed; nothing here computes or opens files."""
