//! `dashpot orders cancel`: asks for it, as the customer. Warehouse decides.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{conclude, order_url, read, text};
use crate::commands::Common;
use crate::http;
use crate::output::{self, BOLD, GREEN};
use crate::target::Target;

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// The order's id
    id: String,
    /// The customer whose order it is
    #[arg(long, default_value = "customer-1")]
    user: String,
}

pub(super) async fn run(common: &Common, target: &Target, asked: &Arguments) -> Result<ExitCode> {
    let url = order_url(target, &[&asked.id, "cancel"])?;
    let answer = http::client(url.as_str())?
        .post(url.clone())
        .json(&json!({ "userId": asked.user }))
        .send()
        .await;
    let (status, body) = read(answer, url.as_str()).await?;
    if common.json {
        output::json(&body)?;
    } else if status.is_success() {
        output::line(&format!(
            "{GREEN}{}{GREEN:#} for order {BOLD}{}{BOLD:#}: it is cancelled unless its goods are packed; \
             `dashpot orders show` tells",
            text(&body, "status"),
            text(&body, "orderId"),
        ))?;
    }
    Ok(conclude(status, &body))
}
