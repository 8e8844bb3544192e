//! The `payments` function.
