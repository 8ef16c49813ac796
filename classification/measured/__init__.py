"""Classification members that measure discs on a segmenter's mask, and decide by what was measured."""
