//! Analytics: counts every event, and adds up the shop's money, by day.
//!
//! - [`handler`]: what an event adds to which rows
//! - [`metric`]: what is counted

pub mod handler;
pub mod metric;
