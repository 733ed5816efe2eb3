//! What crosses services is tested here: see `end_to_end`, `reflection` and `bench` beside this folder.
