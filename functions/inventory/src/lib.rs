//! The `inventory` function.
