//! Every call of a real function's process goes wrong on the wire once, in every way; then its message is delivered
//! again until it is settled. Nothing may be lost, or happen twice.
//!
//! No list of calls is kept: a run without faults counts them, and a call that is added is covered. An SDK tries a call
//! three times, so each fault comes in two forms: at the first attempt, and at every one.

mod attempt;
mod case;
mod check;
mod replies;
mod run;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dashpot_testing::fault::Fault;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::world::World;
use case::Case;
use run::{Run, Story};

/// Longer than the function may take.
const SLOW: Duration = Duration::from_secs(3);
/// How many runs there are at a time: most of the time each of them waits.
const AT_ONCE: usize = 10;

/// Which attempts at a call go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempts {
    First,
    All,
}

/// One call, and what goes wrong with it.
#[derive(Debug, Clone, Copy)]
struct Point {
    call: usize,
    fault: Fault,
    attempts: Attempts,
}

pub(crate) async fn no_call_of_inventory_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Reserved, Case::Short, Case::Malformed]).await
}

pub(crate) async fn no_call_of_payments_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Captured]).await
}

pub(crate) async fn no_call_of_email_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Written]).await
}

pub(crate) async fn no_call_of_the_relay_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Published, Case::Unpublishable]).await
}

pub(crate) async fn no_call_of_checkout_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Ordered]).await
}

pub(crate) async fn no_call_of_the_sweeper_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Abandoned, Case::Unheld]).await
}

pub(crate) async fn no_call_of_warehouse_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Picked, Case::Withdrawn]).await
}

pub(crate) async fn no_call_of_analytics_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Counted]).await
}

pub(crate) async fn no_call_of_journal_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Filed]).await
}

pub(crate) async fn no_call_of_listing_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Listed]).await
}

pub(crate) async fn no_call_of_deadlines_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Watched]).await
}

pub(crate) async fn no_call_of_invoices_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Invoiced]).await
}

pub(crate) async fn no_call_of_quotes_that_goes_wrong_loses_or_doubles_anything(
    world: &World,
) -> Result<()> {
    survive(world, &[Case::Quoted]).await
}

async fn survive(world: &World, cases: &[Case]) -> Result<()> {
    let start = Instant::now();
    let runs = AtomicUsize::new(0);
    let mut points = Vec::new();
    let mut told = String::new();
    for case in cases.iter().copied() {
        let place = case.place(world).await?;
        let run = |point| Run {
            world,
            place: &place,
            case,
            point,
            number: runs.fetch_add(1, Ordering::Relaxed),
        };
        let counted = run(None)
            .story()
            .await
            .with_context(|| format!("{case:?} without a fault"))?;
        let all = of(counted.calls());
        let running = stream::iter(all).map(|point| {
            let run = run(Some(point));
            async move {
                let story = run.story().await;
                anyhow::Ok((
                    point,
                    story.with_context(|| format!("{case:?}, {point:?}"))?,
                ))
            }
        });
        let mut stories: Vec<(Point, Story)> =
            running.buffer_unordered(AT_ONCE).try_collect().await?;
        // A service does not know every fault.
        stories.retain(|(_, story)| story.was_hit());
        tell(&mut told, case, &counted, &stories);
        points.extend(stories);
    }
    ensure!(!points.is_empty(), "nothing went wrong");
    println!(
        "{told}{} points on the wire, {} s",
        points.len(),
        start.elapsed().as_secs()
    );
    Ok(())
}

fn of(calls: usize) -> Vec<Point> {
    let mut points = Vec::new();
    for call in 0..calls {
        // An orphan would arrive in the middle of the next story: those are for `tests/tests/crashes`, in virtual time.
        let faults = Fault::each(SLOW).into_iter();
        for fault in faults.filter(|fault| !matches!(fault, Fault::Orphan(_))) {
            for attempts in [Attempts::First, Attempts::All] {
                // Dead or out of time after the first one, a function tries no second time.
                let is_last = fault.kills() || matches!(fault, Fault::Delay(_) | Fault::Late(_));
                if attempts == Attempts::First || !is_last {
                    points.push(Point {
                        call,
                        fault,
                        attempts,
                    });
                }
            }
        }
    }
    points
}

/// What the function saw of each call: what came of the attempts at the one that went wrong, and in how many deliveries
/// it was made good.
fn tell(told: &mut String, case: Case, counted: &Story, stories: &[(Point, Story)]) {
    for call in 0..counted.calls() {
        let mut seen = BTreeMap::<String, usize>::new();
        for (_, story) in stories.iter().filter(|(point, _)| point.call == call) {
            *seen.entry(story.of_call(call)).or_default() += 1;
        }
        let seen: Vec<String> = seen
            .iter()
            .map(|(what, count)| format!("{what} ({count})"))
            .collect();
        let _ = writeln!(
            told,
            "{case:?}, {}: {}",
            counted.operation(call),
            seen.join(", ")
        );
    }
}
