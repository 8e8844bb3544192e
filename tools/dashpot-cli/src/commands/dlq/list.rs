//! `dashpot dlq list`: how many died, where, and of what.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::parked::Parked;
use super::{Scope, reading};
use crate::commands::Common;
use crate::output::{self, GREEN};
use crate::target::Target;

const HOLD: Duration = Duration::from_mins(1);
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
    let all = reading::take_all(&queues, arguments.scope.limit, HOLD).await?;
    reading::give_back_all(&all).await;
    let services: Vec<DeadLetters> = all
        .into_iter()
        .map(|(queue, taken)| DeadLetters {
            service: queue.service,
            url: queue.url,
            count: taken.len(),
            groups: group(&taken),
        })
        .collect();
    if common.json {
        output::json(&services)?;
    } else {
        show(&services)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Groups by cause, the largest first.
fn group(taken: &[Parked]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for parked in taken {
        let same = |group: &&mut Group| {
            group.reason == parked.reason()
                && group.fingerprint == parked.fingerprint()
                && group.r#type.as_deref() == parked.event_type()
        };
        if let Some(group) = groups.iter_mut().find(same) {
            group.count += 1;
            group.message_ids.push(parked.id.clone());
        } else {
            groups.push(Group {
                reason: parked.reason().to_owned(),
                detail: parked.detail().to_owned(),
                fingerprint: parked.fingerprint().to_owned(),
                r#type: parked.event_type().map(str::to_owned),
                count: 1,
                // They are sorted by age.
                oldest: parked.since(),
                message_ids: vec![parked.id.clone()],
            });
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
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
                group.reason.clone(),
                group.r#type.clone().unwrap_or_else(|| "–".to_owned()),
                group.oldest.map_or_else(|| "–".to_owned(), output::moment),
                group.message_ids[0].clone(),
                group.detail.chars().take(WIDEST_DETAIL).collect(),
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

        let groups = group(&taken);

        let summary: Vec<_> = groups
            .iter()
            .map(|group| (group.fingerprint.as_str(), group.count))
            .collect();
        assert_eq!(summary, [("2", 2), ("1", 1)]);
        assert_eq!(groups[0].message_ids, ["b", "c"]);
    }
}
