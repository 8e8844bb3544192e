//! Tests of the whole system, and what they stand on.
//!
//! - [`template`]: `template.yaml` as one stage sees it
//! - [`real`], [`isolation`]: release binaries behind a strict Lambda host

pub mod isolation;
pub mod real;
pub mod template;
