"""The TF Serving kit: what stands beside an exported model so that one command serves it."""
