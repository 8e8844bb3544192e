//! Tests of the whole system.

pub mod isolation;
pub mod real;
