//! Tests of the whole system, and what they stand on.
//!
//! - [`template`]: `template.yaml` as one stage sees it
//! - [`contract`]: what others may know of the shop's events
//! - [`shop`]: the whole shop in one process and in virtual time
//! - [`simulation`]: what happens in it, from a seed
//! - [`past`]: a journal of orders that were served
//! - [`real`], [`isolation`]: release binaries behind a strict Lambda host

pub mod contract;
pub mod isolation;
pub mod past;
pub mod real;
pub mod shop;
pub mod simulation;
pub mod template;
