//! One event, from its first delivery until it is settled.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dashpot_testing::fault::Fault;
use dashpot_testing::proxy::{Outcome, Proxy, Seen, Wire};
use dashpot_testing::{Invoked, LambdaHost};
use system_tests::real::{Place, deliver};

use super::case::{Case, Way};
use super::{Attempts, Point, attempt};
use crate::world::World;

/// How long a run may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A run that is about to be made.
pub(super) struct Run<'a> {
    pub(super) world: &'a World,
    pub(super) place: &'a Place,
    pub(super) case: Case,
    pub(super) point: Option<Point>,
    pub(super) number: usize,
}

/// What happened in a run.
#[derive(Debug)]
pub(super) struct Story {
    seen: Vec<Seen>,
    deliveries: usize,
    deaths: usize,
    answer: String,
}

impl Run<'_> {
    pub(super) async fn story(&self) -> Result<Story> {
        let order = format!("wire-{:?}-{}", self.case, self.number).to_lowercase();
        let place = self.case.place_of(self.place, &order, self.world).await?;
        let preparing = self.case.prepare(&place, &order, self.number, self.world);
        let event = preparing.await?;
        let point = self.point;
        let wire = Wire::new(move |call| {
            let point = point.filter(|point| point.call == call.index)?;
            (point.attempts == Attempts::All || call.attempt == 1).then_some(point.fault)
        });
        let aws = Proxy::start(self.world.stack.endpoint(), &wire).await?;
        let provider = Proxy::start(self.world.stack.sandbox_url(), &wire).await?;
        let settings = Case::settings(&place, &aws.url(), &provider.url(), &order, self.world)?;
        let host = LambdaHost::start(self.case.binary()?, settings).await?;
        wire.kills_by(host.killer());

        let mut story = Story {
            seen: Vec::new(),
            deliveries: 0,
            deaths: 0,
            answer: String::new(),
        };
        let settled = if self.case.way() == Way::Queue {
            place.send(std::slice::from_ref(&event)).await?;
            self.until_empty(&host, &place, &mut story).await
        } else {
            self.until_done(&host, &place, &order, &event, &mut story)
                .await
        };
        story.seen = wire.seen();
        settled.with_context(|| format!("{story}"))?;
        self.case
            .check(&place, &order, self.number, &story, self.world)
            .await
            .with_context(|| format!("{story}"))?;
        Ok(story)
    }

    async fn until_empty(&self, host: &LambdaHost, place: &Place, story: &mut Story) -> Result<()> {
        let start = Instant::now();
        loop {
            ensure!(
                start.elapsed() < PATIENCE,
                "it is not settled after {PATIENCE:?}"
            );
            if let Some(delivered) = deliver(place, host).await? {
                story.note(&delivered.invoked);
                if delivered.done == delivered.receives.len() {
                    return Ok(());
                }
            }
            // It comes back after a second, or two.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn until_done(
        &self,
        host: &LambdaHost,
        place: &Place,
        order: &str,
        event: &str,
        story: &mut Story,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            ensure!(
                start.elapsed() < PATIENCE,
                "it is not done after {PATIENCE:?}"
            );
            let invoked = host.invoke(event).await;
            story.note(&invoked);
            let answer = match invoked {
                Invoked::Answer(answer) => Some(answer),
                _ => None,
            };
            let done = match (self.case.way(), &answer) {
                (Way::Schedule, _) => attempt::is_ended(place, order, self.world).await?,
                (Way::Request, Some(answer)) => attempt::is_taken(answer)?,
                (_, answer) => answer.is_some(),
            };
            if done {
                story.answer = answer.unwrap_or_default();
                return Ok(());
            }
            // As long as a lease is, or less: whoever asks again is told to wait.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

impl Story {
    fn note(&mut self, invoked: &Invoked) {
        self.deliveries += 1;
        self.deaths += usize::from(matches!(
            invoked,
            Invoked::Exited { .. } | Invoked::TimedOut
        ));
    }

    /// What was answered at last, where that is more than a yes.
    pub(super) fn answer(&self) -> &str {
        &self.answer
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        self.seen
            .iter()
            .map(|seen| seen.call.index + 1)
            .max()
            .unwrap_or_default()
    }

    pub(super) fn operation(&self, call: usize) -> &str {
        let seen = self.seen.iter().find(|seen| seen.call.index == call);
        seen.map_or("", |seen| seen.call.operation.as_str())
    }

    /// Whether a client, unasked, made a call to this service again.
    pub(super) fn is_repeated(&self, service: &str) -> bool {
        let repeat =
            |seen: &Seen| seen.call.attempt > 1 && seen.call.operation.starts_with(service);
        self.seen.iter().any(repeat)
    }

    /// Whether anything went wrong that was to.
    pub(super) fn was_hit(&self) -> bool {
        self.seen.iter().any(|seen| seen.fault.is_some())
    }

    /// What came of the attempts at a call, and of the event.
    pub(super) fn of_call(&self, call: usize) -> String {
        let attempts = self.seen.iter().filter(|seen| seen.call.index == call);
        let attempts: Vec<String> = attempts.map(|seen| seen.outcome.to_string()).collect();
        let deliveries = self.deliveries;
        format!("{} in {deliveries}", attempts.join("+"))
    }

    /// How often more than once an effect may have happened that has no proof of its own: once for each answer that was
    /// lost, and once for each delivery after the first.
    pub(super) fn repeats(&self) -> usize {
        let lost = |seen: &&Seen| {
            matches!(
                seen.fault,
                Some(Fault::LoseAnswer | Fault::Delay(_) | Fault::Late(_))
            ) || seen.outcome == Outcome::Pending
        };
        self.seen.iter().filter(lost).count() + self.deliveries - 1
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} deliveries, {} deaths:", self.deliveries, self.deaths)?;
        self.seen.iter().try_for_each(|seen| write!(f, " [{seen}]"))
    }
}
