"""The hand-written parts of `init.sql`, and the generator that puts it together."""
