//! The `email` function.
