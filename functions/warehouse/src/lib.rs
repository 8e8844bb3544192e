//! The `warehouse` function.
