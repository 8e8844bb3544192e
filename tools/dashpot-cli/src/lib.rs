//! The command line `dashpot`, and the local stack as a library for the end-to-end tests.
//!
//! - [`stack`]: build, emulate, deploy, stop
//! - [`target`]: what a command acts on, here or on AWS; [`resources`]: its parts by logical id
//! - [`template`]: `template.yaml` as JSON
//! - [`progress`], [`project`], [`http`]: what all of them use

#[cfg(not(unix))]
compile_error!("dashpot runs on Unix: Linux, macOS, or Windows through WSL");

pub mod http;
pub mod progress;
pub mod project;
pub mod resources;
pub mod stack;
pub mod target;
pub mod template;
