"""Training a structural causal model: by likelihood, then guided by readers."""
