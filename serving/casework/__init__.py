"""From a listed household to help and back: cases, who looks after them, what was found, who answers, and the proof."""
