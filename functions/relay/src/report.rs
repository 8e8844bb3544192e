//! The line that is logged for each batch, with CloudWatch's embedded metrics in it. Never a word of a body.

use dashpot::Invocation;
use serde::Serialize;
use serde_json::json;

/// What became of the rows of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows in the batch.
    pub received: usize,
    /// Rows that the topic has.
    pub published: usize,
    /// Rows that the dead-letter queue has.
    pub parked: usize,
}

impl Tally {
    /// Rows that come again with the batch.
    #[must_use]
    pub fn failed(self) -> usize {
        self.received.saturating_sub(self.published + self.parked)
    }
}

/// Writes a line.
pub fn to_stdout(line: &str) {
    println!("{line}");
}

/// The line of one batch.
#[must_use]
pub fn batch(tally: Tally, failure: Option<&str>, invocation: &Invocation) -> String {
    let metrics =
        ["published", "parked", "failed"].map(|name| json!({ "Name": name, "Unit": "Count" }));
    let mut line = json!({
        "level": if failure.is_some() { "error" } else { "info" },
        "message": if failure.is_some() { "batch comes again" } else { "batch relayed" },
        "service": "relay",
        "version": version(),
        "request_id": invocation.request_id,
        "received": tally.received,
        "published": tally.published,
        "parked": tally.parked,
        "failed": tally.failed(),
        "_aws": {
            "Timestamp": invocation.clock.now(),
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"], ["service", "version"]],
                "Metrics": metrics,
            }],
        },
    });
    if let Some(failure) = failure {
        line["detail"] = failure.into();
    }
    line.to_string()
}

/// The line of one row that was parked.
#[must_use]
pub fn parked(note: &dashpot::ParkNote<'_>, invocation: &Invocation) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        level: &'static str,
        message: &'static str,
        service: &'static str,
        request_id: &'a str,
        event_id: Option<&'a str>,
        event_type: Option<&'a str>,
        reason: &'a str,
        detail: &'a str,
    }
    json!(Line {
        level: "error",
        message: "event parked",
        service: "relay",
        request_id: &invocation.request_id,
        event_id: note.event_id,
        event_type: note.event_type,
        reason: note.reason,
        detail: note.detail,
    })
    .to_string()
}

fn version() -> String {
    std::env::var("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_else(|_| "$LATEST".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_metric_that_is_declared_is_in_the_line() {
        let tally = Tally {
            received: 7,
            published: 4,
            parked: 1,
        };
        let line = batch(tally, Some("why"), &Invocation::default());
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in declared["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_u64(), "{name}");
        }
        for name in declared["Dimensions"][1].as_array().unwrap() {
            assert!(line[name.as_str().unwrap()].is_string(), "{name}");
        }
        assert_eq!(
            (&line["failed"], &line["detail"]),
            (&json!(2), &json!("why"))
        );
    }
}
