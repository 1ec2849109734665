"""From a source to decoded, split images."""
