//! The `checkout` function.
