//! The `analytics` function.
