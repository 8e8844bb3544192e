//! From effects to one transaction: the proof that the message was handled, the writes, the events.

use std::time::Duration;

use crate::claim::Claim;
use crate::context::Context;
use crate::effects::{Effects, Refused};
use crate::failure::Failure;
use crate::outbox::{KEPT_SECONDS, Origin};
use crate::row::{Key, Row, Value, Write};
use crate::store::{CommitError, Refusal, Store};

/// How often a handler may decide again about one message, before the message itself comes back.
pub(crate) const DECISIONS: usize = 4;

/// How often a transaction is tried again at once after a conflict or a throttle.
const RETRIES: u32 = 3;

/// How a message ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Now.
    Done,
    /// Before: it was found done.
    Duplicate,
}

/// Commits what was decided, and decides again while conditions do not hold and the decision says how. A claimed row
/// is settled with whatever was decided last, also with nothing: its outcome is known.
pub(crate) async fn commit<S: Store>(
    store: &S,
    cx: &Context,
    mut effects: Effects,
    claim: Option<(&Claim, &str)>,
) -> Result<Settled, Failure> {
    for _ in 0..DECISIONS {
        if effects.is_none() && claim.is_none() {
            return Ok(Settled::Done);
        }
        let otherwise = effects.otherwise.take();
        let transaction = Transaction::assemble(cx, effects, claim)?;
        let refusals = match patiently(store, &transaction.writes, cx).await {
            Ok(()) => return Ok(Settled::Done),
            Err(CommitError::Refused(refusals)) => refusals,
            Err(error @ CommitError::Invalid(_)) => return Err(Failure::permanent(error)),
            Err(error) => return Err(Failure::retry(error)),
        };
        match transaction.judge(refusals, cx) {
            Judgement::Duplicate => return Ok(Settled::Duplicate),
            Judgement::ClaimLost => {
                return Err(Failure::retry(
                    "the claim's lease ran out before the commit",
                ));
            }
            Judgement::Business(refused) => match otherwise {
                Some(decide) => effects = decide(refused)?,
                None => return Err(Failure::retry("a condition did not hold")),
            },
        }
    }
    Err(Failure::retry("the rows changed under every decision"))
}

/// Commits, and tries again at once after conflicts and throttles, while there is time.
pub(crate) async fn patiently<S: Store>(
    store: &S,
    writes: &[Write],
    cx: &Context,
) -> Result<(), CommitError> {
    let mut pause = Duration::from_millis(25);
    for _ in 0..RETRIES {
        match store.commit(writes).await {
            Err(CommitError::Conflict | CommitError::Throttled) if cx.remaining() > pause * 2 => {
                tokio::time::sleep(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
    store.commit(writes).await
}

/// The writes in order: the guard (natural key or inbox marker), the claim's end, the rest.
struct Transaction {
    writes: Vec<Write>,
    guarded: bool,
    settles: bool,
}

enum Judgement {
    Duplicate,
    ClaimLost,
    Business(Refused),
}

impl Transaction {
    fn assemble(
        cx: &Context,
        effects: Effects,
        claim: Option<(&Claim, &str)>,
    ) -> Result<Self, Failure> {
        let origin = origin(cx, Some(&cx.event_id));
        let guard = match (effects.once, claim) {
            (Some(row), _) => Some(row.set("cause", cx.event_id.as_str())),
            (None, None) => Some(marker(cx).set("cause", cx.event_id.as_str())),
            // The claimed row itself, which only its owner can settle, is the guard.
            (None, Some(_)) => None,
        };
        let (guarded, settles) = (guard.is_some(), claim.is_some());
        let mut writes: Vec<Write> = guard.map(Write::create).into_iter().collect();
        if let Some((claim, owner)) = claim {
            writes.push(claim.settle(effects.settles.unwrap_or("done"), owner));
        }
        writes.extend(effects.writes);
        for emit in effects.emits {
            writes.push(origin.append(emit).map_err(Failure::permanent)?);
        }
        Ok(Self {
            writes,
            guarded,
            settles,
        })
    }

    /// A refused guard is looked at before anything else that was refused.
    fn judge(&self, refusals: Vec<Refusal>, cx: &Context) -> Judgement {
        let cause = |refusal: &Refusal| {
            let row = refusal.row.as_ref()?;
            row.get("cause").and_then(Value::as_str).map(str::to_owned)
        };
        let settle_index = usize::from(self.guarded);
        if let Some(first) = refusals.first()
            && self.guarded
            && first.index == 0
            && cause(first).as_deref() == Some(cx.event_id.as_str())
        {
            return Judgement::Duplicate;
        }
        if self.settles && refusals.iter().any(|refusal| refusal.index == settle_index) {
            return Judgement::ClaimLost;
        }
        Judgement::Business(Refused::new(refusals))
    }
}

/// The row that proves that a message was handled, where no natural key does.
pub(crate) fn marker(cx: &Context) -> Row {
    Row::new(Key::new(format!("inbox#{}", cx.event_id)))
        .set("expiresAt", cx.clock.now() / 1000 + KEPT_SECONDS)
}

/// What an event that is said now follows from.
pub(crate) fn origin<'a>(cx: &'a Context, causation_id: Option<&'a str>) -> Origin<'a> {
    Origin {
        source: cx.service,
        correlation_id: &cx.correlation_id,
        causation_id,
        hops: cx.hops.saturating_add(1),
        traceparent: cx.traceparent.as_deref(),
        now: cx.clock.now(),
    }
}
