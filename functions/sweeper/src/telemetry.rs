//! One JSON line a sweep, with CloudWatch's embedded metrics in it, and one for each attempt that did not end.

use std::io::Write;

use serde_json::json;

use crate::sweep::Swept;

/// Writes the lines of a sweep.
pub(crate) fn tell(swept: &Swept, request_id: &str) {
    // Nobody could be told.
    let _ = std::io::stdout()
        .lock()
        .write_all(lines(swept, request_id).as_bytes());
}

fn lines(swept: &Swept, request_id: &str) -> String {
    let stuck = swept.stuck.iter().map(|stuck| {
        json!({
            "level": "warn",
            "message": "attempt is still open; the next sweep takes it up",
            "service": "sweeper",
            "request_id": request_id,
            "order_id": stuck.order_id,
            "detail": stuck.cause,
        })
    });
    let metric = |name: &str| json!({"Name": name, "Unit": "Count"});
    let summary = json!({
        "level": if swept.unasked.is_none() { "info" } else { "error" },
        "message": "attempts swept",
        "service": "sweeper",
        "request_id": request_id,
        "detail": swept.unasked.as_ref().map(ToString::to_string),
        "swept": swept.ended,
        "stuck": swept.stuck.len(),
        "_aws": {
            "Timestamp": dashpot::now(),
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"]],
                "Metrics": [metric("swept"), metric("stuck")],
            }],
        },
    });
    let lines: Vec<String> = stuck
        .chain(std::iter::once(summary))
        .map(|line| line.to_string())
        .collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::sweep::Stuck;

    #[test]
    fn a_sweep_leaves_its_counts_and_a_line_for_each_attempt_that_is_stuck() {
        let swept = Swept {
            ended: 2,
            stuck: vec![Stuck {
                order_id: Some("o-1".to_owned()),
                cause: "the provider is not available".to_owned(),
            }],
            unasked: None,
        };
        let lines: Vec<serde_json::Value> = lines(&swept, "r")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["order_id"], "o-1");
        assert_eq!(
            (&lines[1]["swept"], &lines[1]["stuck"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(
            lines[1]["_aws"]["CloudWatchMetrics"][0]["Metrics"][1]["Name"],
            "stuck"
        );
    }
}
