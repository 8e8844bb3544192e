//! One JSON line a request, with CloudWatch's embedded metrics in it. Never a word of a body.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::handler::Reply;

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    message: &'static str,
    service: &'static str,
    request_id: &'a str,
    correlation_id: &'a str,
    order_id: Option<&'a str>,
    status: u16,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(rename = "_aws")]
    aws: serde_json::Value,
    #[serde(rename = "answered")]
    answered: u8,
    #[serde(rename = "refused")]
    refused: u8,
    #[serde(rename = "undecided")]
    undecided: u8,
}

/// Writes a line.
pub(crate) fn to_stdout(line: &str) {
    // Nobody could be told.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The line of a request.
pub(crate) fn line(
    reply: &Reply,
    correlation_id: &str,
    request_id: &str,
    took: Duration,
) -> String {
    let status = reply.answer.status;
    let (placed, undecided) = (status < 400, status >= 500);
    let metric = |name, unit| json!({"Name": name, "Unit": unit});
    let line = Line {
        level: if undecided { "error" } else { "info" },
        message: "request answered",
        service: "checkout",
        request_id,
        correlation_id,
        order_id: reply.order_id.as_ref().map(shop_events::OrderId::as_str),
        status,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        detail: reply.cause.as_deref(),
        aws: json!({
            "Timestamp": dashpot::now(),
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"]],
                "Metrics": [
                    metric("answered", "Count"),
                    metric("refused", "Count"),
                    metric("undecided", "Count"),
                    metric("duration_ms", "Milliseconds"),
                ],
            }],
        }),
        answered: placed.into(),
        refused: (!placed && !undecided).into(),
        undecided: undecided.into(),
    };
    // Strings and numbers: nothing that serde_json could refuse.
    serde_json::to_string(&line).unwrap_or_default()
}
