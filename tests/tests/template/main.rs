//! What CloudFormation does not check about `template.yaml`, and what it would cost to get wrong.
//!
//! - [`delivery`]: queues, dead letters, visibility, retries, streams
//! - [`events`]: what each consumer is sent, against what its code declares
//! - [`permissions`]: what each function may do, and nothing else
//! - [`naming`]: one name for folder, binary, queue and logical id; what the code reads of its environment
//! - [`watching`]: alarms and the dashboard

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delivery;
mod events;
mod naming;
mod permissions;
mod watching;
