//! `dashpot dlq list`: how many died, where, and of what.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use super::Scope;
use super::parked::Parked;
use super::reading::{self, DeadLetterQueue};
use crate::commands::Common;
use crate::output::{self, GREEN};
use crate::target::Target;

const LEAST_HOLD: Duration = Duration::from_mins(1);
const WIDEST_DETAIL: usize = 60;

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    #[command(flatten)]
    scope: Scope,
}

/// The dead letters of one service.
#[derive(Debug, Serialize)]
struct DeadLetters {
    service: String,
    url: String,
    count: usize,
    groups: Vec<Group>,
}

/// Dead letters of the same cause.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    reason: String,
    detail: String,
    fingerprint: String,
    r#type: Option<String>,
    count: usize,
    /// Milliseconds since the Unix epoch.
    oldest: Option<i64>,
    message_ids: Vec<String>,
}

pub(super) async fn run(
    common: &Common,
    target: &Target,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let queues = arguments.scope.queues(target)?;
    let limit = arguments.scope.limit;
    let counting: FuturesUnordered<_> = queues.iter().map(|queue| count(queue, limit)).collect();
    let counted: Vec<Result<DeadLetters>> = counting.collect().await;
    let mut services = counted.into_iter().collect::<Result<Vec<_>>>()?;
    services.sort_by(|one, other| one.service.cmp(&other.service));
    if common.json {
        output::json(&services)?;
    } else {
        show(&services)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts by cause, and gives everything back. Kept of a message are its id and its receipt, not its body.
async fn count(queue: &DeadLetterQueue, limit: usize) -> Result<DeadLetters> {
    let held: RefCell<HashMap<String, String>> = RefCell::default();
    let groups: RefCell<Groups> = RefCell::default();
    let read = reading::in_tens(limit, async |room| {
        let mut letters = queue.receive(room, hold(limit)).await?;
        let mut held = held.borrow_mut();
        // A letter that comes once more has reappeared: its time was up.
        letters.retain(|parked| {
            let receipt = parked.receipt.clone();
            held.insert(parked.id.clone(), receipt).is_none()
        });
        let mut groups = groups.borrow_mut();
        for parked in &letters {
            groups.add(parked);
        }
        Ok(letters.len())
    })
    .await;
    let held = held.into_inner();
    queue
        .give_back_receipts(held.values().map(String::as_str))
        .await;
    read?;
    Ok(DeadLetters {
        service: queue.service.clone(),
        url: queue.url.clone(),
        count: held.len(),
        groups: groups.into_inner().by_size(),
    })
}

/// Long enough to read so many: at least 500 a second.
fn hold(limit: usize) -> Duration {
    let seconds = u64::try_from(limit / 500).unwrap_or(u64::MAX);
    // SQS hides a message for at most twelve hours.
    (LEAST_HOLD + Duration::from_secs(seconds)).min(Duration::from_hours(12))
}

/// Dead letters by cause, and with each the detail of the first.
#[derive(Default)]
struct Groups(HashMap<Cause, (String, Vec<Since>)>);

/// Reason, fingerprint, type.
type Cause = (String, String, Option<String>);

/// When a letter came here, and its id.
type Since = (Option<i64>, String);

impl Groups {
    fn add(&mut self, parked: &Parked) {
        let cause = (
            parked.reason().to_owned(),
            parked.fingerprint().to_owned(),
            parked.event_type().map(str::to_owned),
        );
        let detail = || (parked.detail().to_owned(), Vec::new());
        let (_, letters) = self.0.entry(cause).or_insert_with(detail);
        letters.push((parked.since(), parked.id.clone()));
    }

    /// The largest first, and in each the oldest first.
    fn by_size(self) -> Vec<Group> {
        let group =
            |((reason, fingerprint, r#type), (detail, mut letters)): (_, (_, Vec<Since>))| {
                letters.sort();
                Group {
                    reason,
                    detail,
                    fingerprint,
                    r#type,
                    count: letters.len(),
                    oldest: letters.first().and_then(|(since, _)| *since),
                    message_ids: letters.into_iter().map(|(_, id)| id).collect(),
                }
            };
        let mut groups: Vec<Group> = self.0.into_iter().map(group).collect();
        let order = |group: &Group| {
            (
                Reverse(group.count),
                group.oldest,
                group.fingerprint.clone(),
            )
        };
        groups.sort_by_key(order);
        groups
    }
}

fn show(services: &[DeadLetters]) -> Result<()> {
    let rows: Vec<Vec<String>> = services
        .iter()
        .flat_map(|service| {
            service
                .groups
                .iter()
                .map(move |group| (&service.service, group))
        })
        .map(|(service, group)| {
            vec![
                service.clone(),
                group.count.to_string(),
                output::visible(&group.reason),
                output::visible(group.r#type.as_deref().unwrap_or("–")),
                group.oldest.map_or_else(|| "–".to_owned(), output::moment),
                group.message_ids[0].clone(),
                output::visible(&group.detail.chars().take(WIDEST_DETAIL).collect::<String>()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return output::line(&format!("{GREEN}No dead letters.{GREEN:#}"));
    }
    output::table(
        &[
            "SERVICE", "COUNT", "REASON", "TYPE", "OLDEST", "MESSAGE", "DETAIL",
        ],
        &rows,
    )?;
    output::line(
        "\n`cargo dashpot dlq show MESSAGE` shows one, `cargo dashpot dlq replay MESSAGE` sends it again.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::parked::tests::parked;
    use super::*;

    #[test]
    fn what_died_of_the_same_cause_is_one_group_and_the_largest_comes_first() {
        let note = |fingerprint: &str| {
            format!(r#"{{"reason":"permanent","fingerprint":"{fingerprint}"}}"#)
        };
        let taken = [
            parked("a", Some(&note("1")), None),
            parked("b", Some(&note("2")), None),
            parked("c", Some(&note("2")), None),
        ];

        let mut groups = Groups::default();
        for parked in &taken {
            groups.add(parked);
        }
        let groups = groups.by_size();

        let summary: Vec<_> = groups
            .iter()
            .map(|group| (group.fingerprint.as_str(), group.count))
            .collect();
        assert_eq!(summary, [("2", 2), ("1", 1)]);
        assert_eq!(groups[0].message_ids, ["b", "c"]);
    }
}
