//! The command line `dashpot`, and the local stack as a library for the end-to-end tests.
//!
//! - [`commands`]: what a person types
//! - `demo`: the whole system at work; [`shop`]: what can be seen of it from outside
//! - [`stack`]: build, emulate, deploy, stop
//! - [`target`]: what a command acts on, here or on AWS; [`resources`]: its parts by logical id
//! - [`template`]: `template.yaml` as JSON
//! - [`sandbox`]: the payment provider of the local stack
//! - [`progress`], [`output`], [`project`], [`http`], [`moment`], [`shutdown`]: what all of them use

#[cfg(not(unix))]
compile_error!("dashpot runs on Unix: Linux, macOS, or Windows through WSL");

mod aws;
pub mod commands;
mod demo;
pub mod feed;
pub mod http;
pub mod moment;
pub mod output;
pub mod progress;
pub mod project;
pub mod resources;
pub mod sandbox;
pub mod shop;
pub mod shutdown;
pub mod stack;
pub mod target;
pub mod template;
