"""Compare losses, from raw outputs and sigmoid outputs, and runs that were trained with them."""
