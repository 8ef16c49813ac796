"""What a network starts from that others trained: files of weights, the scale of their pixels, and the base of both."""
