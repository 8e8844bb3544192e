//! The forms of a consumer: what stands between a handler and its being done.

use std::future::Future;

use crate::claim::{Claim, Claimant, Claimed, OnUnknown, Standing};
use crate::commit::{self, Settled, patiently};
use crate::context::Context;
use crate::effects::Effects;
use crate::failure::Failure;
use crate::handler::Handler;
use crate::row::Item;
use crate::store::{CommitError, NoStore, Store};

/// How a message was stopped.
#[derive(Debug)]
pub enum Stopped {
    /// The handler, or the store, says so.
    Failed(Failure),
    /// An effect outside may have happened, and [`OnUnknown::Park`] was asked for.
    UnknownOutcome,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a consumer does around its handler. Sealed: [`Plain`], [`Atomic`] and [`Claiming`] are all.
pub trait Mode<H, E>: Send + Sync {
    #[doc(hidden)]
    type Store: Store;

    #[doc(hidden)]
    fn run(
        &self,
        handler: &H,
        event: E,
        cx: &mut Context,
    ) -> impl Future<Output = Result<Settled, Stopped>> + Send;

    /// Where suspects are noted, if anywhere.
    #[doc(hidden)]
    fn store(&self) -> Option<&Self::Store>;
}

/// The handler does everything itself; partial failures only.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl<E: Send, H: Handler<E, Output = ()>> Mode<H, E> for Plain {
    type Store = NoStore;

    async fn run(&self, handler: &H, event: E, cx: &mut Context) -> Result<Settled, Stopped> {
        handler.handle(event, cx).await?;
        Ok(Settled::Done)
    }

    fn store(&self) -> Option<&NoStore> {
        None
    }
}

/// Effects, proof and events are one transaction.
#[derive(Debug, Clone)]
pub struct Atomic<S>(pub(crate) S);

impl<E: Send, H: Handler<E, Output = Effects>, S: Store> Mode<H, E> for Atomic<S> {
    type Store = S;

    async fn run(&self, handler: &H, event: E, cx: &mut Context) -> Result<Settled, Stopped> {
        let effects = handler.handle(event, cx).await?;
        Ok(commit::commit(&self.0, cx, effects, None).await?)
    }

    fn store(&self) -> Option<&S> {
        Some(&self.0)
    }
}

/// A handler with an effect outside: claim, act, complete.
pub trait Claims<E>: Handler<E> {
    /// What must be claimed before [`handle`](Handler::handle) runs; none where there is nothing to do
    /// outside.
    ///
    /// # Errors
    /// A [`Failure`] as in [`handle`](Handler::handle).
    fn claim(&self, event: &E, cx: &Context) -> Result<Option<Claim>, Failure>;

    /// Decides with the row in hand that stands in a state from which it cannot be claimed.
    ///
    /// # Errors
    /// A [`Failure`] as in [`handle`](Handler::handle).
    fn refused(&self, event: E, row: &Item, cx: &Context) -> Result<Effects, Failure>;
}

/// See [`Claims`].
#[derive(Debug, Clone)]
pub struct Claiming<S> {
    pub(crate) store: S,
    pub(crate) on_unknown: OnUnknown,
}

enum Take {
    Claimed(Claimed),
    NotWanted,
    Refused(Item),
}

impl<S: Store> Claiming<S> {
    async fn take(&self, claim: &Claim, owner: &str, cx: &Context) -> Result<Take, Failure> {
        let now = cx.clock.now();
        let lease = u64::try_from(cx.remaining().as_millis()).unwrap_or_default();
        let by = Claimant {
            owner,
            cause: &cx.event_id,
            now,
            lease_until: now + lease,
        };
        let Some(refusals) = refused(patiently(&self.store, &claim.create(&by), cx).await)? else {
            return Ok(Take::Claimed(Claimed {
                version: 1,
                acting: claim.acting,
                may_have_happened: false,
                before: None,
            }));
        };
        if refusals.iter().any(|refusal| refusal.index > 0) {
            return Ok(Take::NotWanted);
        }
        let Some(row) = refusals.into_iter().next().and_then(|refusal| refusal.row) else {
            return Err(Failure::retry("the claimed row went away"));
        };
        let (version, acting, may_have_happened) = match claim.judge(&row, &by) {
            Standing::Refused => return Ok(Take::Refused(row)),
            Standing::Busy(left) => {
                return Err(Failure::retry_after(
                    left,
                    "another delivery is acting on it",
                ));
            }
            Standing::Ours { version, acting } => {
                return Ok(Take::Claimed(Claimed {
                    version,
                    acting,
                    may_have_happened: false,
                    before: None,
                }));
            }
            Standing::Free { version, acting } => (version, acting, false),
            Standing::Unknown { version, acting } => (version, acting, true),
        };
        let take_over = claim.take_over(&by, &row, version, acting);
        let refusals = refused(patiently(&self.store, &take_over, cx).await)?.unwrap_or_default();
        if refusals.iter().any(|refusal| refusal.index > 0) {
            return Ok(Take::NotWanted);
        }
        // Refused by our own claim: its first answer was lost on the way.
        let rows = refusals.iter().filter_map(|refusal| refusal.row.as_ref());
        let ours = |row: &Item| matches!(claim.judge(row, &by), Standing::Ours { .. });
        if refusals.is_empty() || rows.into_iter().any(ours) {
            return Ok(Take::Claimed(Claimed {
                version: version + 1,
                acting,
                may_have_happened,
                before: Some(row),
            }));
        }
        Err(Failure::retry("another delivery has just claimed it"))
    }
}

fn refused(
    outcome: Result<(), CommitError>,
) -> Result<Option<Vec<crate::store::Refusal>>, Failure> {
    match outcome {
        Ok(()) => Ok(None),
        Err(CommitError::Refused(refusals)) => Ok(Some(refusals)),
        Err(error @ CommitError::Invalid(_)) => Err(Failure::permanent(error)),
        Err(error) => Err(Failure::retry(error)),
    }
}

impl<E, H, S> Mode<H, E> for Claiming<S>
where
    E: Send + Sync,
    H: Claims<E> + Handler<E, Output = Effects>,
    S: Store,
{
    type Store = S;

    async fn run(&self, handler: &H, event: E, cx: &mut Context) -> Result<Settled, Stopped> {
        let Some(mut claim) = handler.claim(&event, cx)? else {
            let effects = handler.handle(event, cx).await?;
            return Ok(commit::commit(&self.store, cx, effects, None).await?);
        };
        let owner = crate::id::new_token();
        match self.take(&claim, &owner, cx).await? {
            Take::NotWanted => Ok(Settled::Done),
            Take::Refused(row) => {
                let effects = handler.refused(event, &row, cx)?;
                if effects.is_none() {
                    return Ok(Settled::Duplicate);
                }
                Ok(commit::commit(&self.store, cx, effects, None).await?)
            }
            Take::Claimed(claimed)
                if claimed.may_have_happened && self.on_unknown == OnUnknown::Park =>
            {
                Err(Stopped::UnknownOutcome)
            }
            Take::Claimed(claimed) => {
                claim.acting = claimed.acting;
                cx.claimed = Some(claimed);
                // On a failure the claim stays: whether the effect happened is not known, and only the
                // lease's end lets somebody ask.
                let effects = handler.handle(event, cx).await?;
                let claim = Some((&claim, owner.as_str()));
                Ok(commit::commit(&self.store, cx, effects, claim).await?)
            }
        }
    }

    fn store(&self) -> Option<&S> {
        Some(&self.store)
    }
}
