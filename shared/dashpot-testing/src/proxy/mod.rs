//! Faults on the wire: an HTTP proxy between a function's process and what it calls.
//!
//! - [`Wire`] counts the calls of one process, whatever they go to, and says what goes wrong with each
//! - [`Proxy`] stands before one endpoint: an AWS emulator, or a provider's sandbox
//! - [`Seen`] is one request, as it went by

mod refusal;
mod server;
mod service;
mod wire;

pub use server::Proxy;
pub use wire::{Outcome, Seen, Wire, WireCall};
