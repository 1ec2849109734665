"""What a configuration file says, checked and typed; no computation, no file of the user's."""
