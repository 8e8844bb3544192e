//! The `journal` function.
