//! Generation by itself.
