//! A strict Lambda for a real `bootstrap` binary.

mod api;
mod environment;
mod host;
mod output;
mod settings;
mod usage;

pub use host::{Invoked, LambdaHost};
pub use settings::Settings;
pub use usage::Usage;
