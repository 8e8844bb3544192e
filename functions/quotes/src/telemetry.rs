//! A line for each request that is not answered, with CloudWatch's embedded metric in it: `expired` or `gone`.

use serde_json::{Value, json};

/// Where lines go in Lambda.
pub(crate) fn to_stdout(line: &str) {
    println!("{line}");
}

/// Its deadline was over before it was begun.
pub(crate) fn expired(request: &str, now: u64) -> String {
    line(
        "expired",
        "request is not worked on: its deadline is over",
        request,
        now,
    )
}

/// The queue of whoever asked is not there any more.
pub(crate) fn gone(request: &str, now: u64) -> String {
    line(
        "gone",
        "answer is dropped: whoever asked has closed their queue",
        request,
        now,
    )
}

fn line(metric: &str, message: &str, request: &str, now: u64) -> String {
    let mut line: Value = json!({
        "level": "info",
        "message": message,
        "service": "quotes",
        "correlation_id": request,
        "_aws": {
            "Timestamp": now,
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"]],
                "Metrics": [{"Name": metric, "Unit": "Count"}],
            }],
        },
    });
    line[metric] = 1.into();
    line.to_string()
}
