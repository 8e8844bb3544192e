//! A line for each order that is late, with CloudWatch's embedded metric `late` in it. A check that comes twice may tell
//! twice.

use serde_json::json;
use shop_events::OrderId;

pub(crate) fn late(order: &OrderId, now: u64) -> String {
    json!({
        "level": "warn",
        "message": "order is not finished in time; `cargo dashpot orders stuck` says why",
        "service": "deadlines",
        "order_id": order,
        "late": 1,
        "_aws": {
            "Timestamp": now,
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"]],
                "Metrics": [{"Name": "late", "Unit": "Count"}],
            }],
        },
    })
    .to_string()
}
