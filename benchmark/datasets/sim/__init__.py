"""The simulated world: rooms, an actor who does things in them, cameras with the real lens models, and exact truth."""
