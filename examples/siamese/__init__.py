"""A siamese network for music as sound and as notes, without labels."""
