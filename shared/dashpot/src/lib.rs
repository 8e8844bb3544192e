//! `dashpot`
#[cfg(feature = "aws")]
pub mod aws;
