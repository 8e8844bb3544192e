//! The round through everything that is due, and the end of one attempt.

use std::time::Duration;

use checkout::attempt::{Attempt, AttemptKey, INDEX, Lease, SHARDS, State};
use checkout::hold::Hold;
use checkout::order::Order;
use dashpot::{CommitError, Item, Query, Store, StoreError, Write, chain};
use futures_util::future::join_all;
use payment_gateway::{Gateway, GatewayError, Intent, IntentId, IntentStatus, OrderId};
use tokio::time::{Instant, timeout_at};

/// How many attempts are ended at the same time.
const AT_ONCE: u32 = 10;

/// When an attempt that did not end is due again, in seconds: after a minute at first, then after as long again as it
/// has been tried for, a quarter of an hour at most: as long as a message waits for a dependency to come back. What does
/// not end must not take the time of what can.
const AGAIN_SECONDS: (u64, u64) = (60, 900);

/// How long the provider's search may not know a payment, in milliseconds: "a minute or more", with room.
const SEARCH_LAG: u64 = 5 * 60 * 1000;

/// How much of an invocation's time is kept for its end.
const TIME_TO_END: Duration = Duration::from_millis(500);

/// The function, over checkout's table and a payment provider.
#[derive(Debug)]
pub struct Sweeper<S, G> {
    store: S,
    gateway: G,
}

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many attempts it ended.
    pub ended: usize,
    /// What is still open.
    pub stuck: Vec<Stuck>,
    /// The table did not say what is due, or not all of it.
    pub unasked: Option<StoreError>,
}

/// An attempt that is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The order that it would have been; none if the row could not be read.
    pub order_id: Option<String>,
    /// Why, for the log.
    pub cause: String,
}

/// How one attempt was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing is held for it any more, other than for an order.
    Ended,
    /// Somebody else acts on it, or has ended it.
    NotOurs,
}

impl<S: Store, G: Gateway> Sweeper<S, G> {
    /// Over this table and this provider.
    pub fn new(store: S, gateway: G) -> Self {
        Self { store, gateway }
    }

    /// Ends what is due at `now` (milliseconds since the Unix epoch), as far as the time until the deadline goes.
    /// No attempt's trouble keeps the others from their end.
    pub async fn sweep(&self, now: u64, deadline: Instant) -> Swept {
        let until = deadline.checked_sub(TIME_TO_END).unwrap_or(deadline);
        let mut swept = Swept::default();
        // Another shard goes first every minute, so that none starves when there is more than a sweep can do.
        let turn = usize::try_from(now / 60_000).unwrap_or_default() % SHARDS.len();
        for shard in SHARDS.iter().cycle().skip(turn).take(SHARDS.len()) {
            let mut after = None;
            while Instant::now() < until {
                let query = Query {
                    index: Some(INDEX),
                    partition: (INDEX, (*shard).to_owned()),
                    up_to: Some(("due", i64::try_from(now / 1000).unwrap_or(i64::MAX))),
                    limit: Some(AT_ONCE),
                    after: after.take(),
                };
                let asked = timeout_at(until, self.store.query(&query)).await;
                let silence = || StoreError("the table did not answer in time".into());
                let page = match asked.unwrap_or_else(|_| Err(silence())) {
                    Ok(page) => page,
                    Err(error) => {
                        swept.unasked = Some(error);
                        break;
                    }
                };
                let ends = page
                    .items
                    .iter()
                    .map(|row| self.end_in_time(row, now, until));
                for end in join_all(ends).await {
                    match end {
                        Ok(End::Ended) => swept.ended += 1,
                        Ok(End::NotOurs) => {}
                        Err(stuck) => swept.stuck.push(stuck),
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        swept
    }

    async fn end_in_time(&self, row: &Item, now: u64, until: Instant) -> Result<End, Stuck> {
        let (key, attempt) = match (AttemptKey::of_row(row), Attempt::read(row)) {
            (Some(key), Ok(attempt)) => (key, attempt),
            (None, _) => return Err(Stuck::unread("a row in the index is no attempt")),
            (_, Err(error)) => return Err(Stuck::unread(error.to_string())),
        };
        let order_id = attempt.order_id.to_string();
        let left = until.saturating_duration_since(Instant::now());
        let lease = Lease::new(now, u64::try_from(left.as_millis()).unwrap_or_default());
        timeout_at(until, self.end(&key, attempt, &lease, now))
            .await
            .unwrap_or_else(|_| Err("the time is up".to_owned()))
            .map_err(|cause| Stuck {
                order_id: Some(order_id),
                cause,
            })
    }

    async fn end(
        &self,
        key: &AttemptKey,
        attempt: Attempt,
        lease: &Lease,
        now: u64,
    ) -> Result<End, String> {
        let order_id = OrderId::parse(attempt.order_id.as_str()).map_err(|error| chain(&error))?;
        match attempt.state {
            State::Pending(order, round) | State::Voiding(order, round) => {
                // The index may be behind the table: if the round is not the one that it says, the next sweep
                // knows better.
                let since = attempt.fenced_at.unwrap_or(now);
                let tried = now.saturating_sub(since);
                let due_again = now / 1000 + (tried / 1000).clamp(AGAIN_SECONDS.0, AGAIN_SECONDS.1);
                let fence = key.fence(lease, round, since, due_again);
                let fenced = self.write(fence, Some(lease)).await?;
                if fenced == End::NotOurs {
                    return Ok(fenced);
                }
                let found = self.find(&order_id).await?;
                self.let_go_of(&found).await?;
                // A round makes one payment at most.
                if found.len() <= round as usize {
                    self.make_sure(&order, round, &found, tried).await?;
                }
                self.write(key.voided(lease), None).await
            }
            // Decided after more than one round: an earlier one may have made a hold that nobody knew of.
            State::Placed(_, own) => {
                let mut others = self.find(&order_id).await?;
                others.retain(|intent| intent.id.as_str() != own.as_str());
                self.let_go_of(&others).await?;
                self.write(key.looked_at(), None).await
            }
            State::Declined(_) => {
                self.let_go_of(&self.find(&order_id).await?).await?;
                self.write(key.looked_at(), None).await
            }
            State::Voided => Ok(End::NotOurs),
        }
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, String> {
        self.gateway
            .find(order_id)
            .await
            .map_err(|error| chain(&error))
    }

    /// Where the search does not know a payment of every round (it lags, or there is none), the last round is
    /// asked again under its key: that brings its first answer, or makes a hold now that is let go of at once,
    /// and that no request still on its way can make a second time.
    ///
    /// A key that only repeats a server error tells nothing. Whatever the error hid was made before the attempt was
    /// first fenced, or by the first of these repeats: once the search's lag has passed since, the search knows it.
    async fn make_sure(
        &self,
        order: &Order,
        round: u32,
        found: &[Intent],
        tried: u64,
    ) -> Result<(), String> {
        let authorisation = order.authorisation(round).map_err(|error| chain(&error))?;
        match Hold::from(self.gateway.authorise(&authorisation).await) {
            Hold::Held(id) if found.iter().all(|known| known.id != id) => self.let_go(&id).await,
            Hold::Held(_) | Hold::Refused(_) => Ok(()),
            Hold::Undecided(GatewayError::Replayed(_)) if tried >= SEARCH_LAG => Ok(()),
            Hold::Undecided(error) => Err(chain(&error)),
        }
    }

    async fn let_go_of(&self, intents: &[Intent]) -> Result<(), String> {
        for intent in intents {
            if !matches!(
                intent.status,
                IntentStatus::Canceled | IntentStatus::RequiresPaymentMethod
            ) {
                self.let_go(&intent.id).await?;
            }
        }
        Ok(())
    }

    async fn let_go(&self, id: &IntentId) -> Result<(), String> {
        // A new key every time: the provider would repeat a server error for a day, and letting go twice is
        // letting go once.
        let key = format!("void-{id}-{}", dashpot::new_token());
        let status = match self.gateway.cancel(id, &key).await {
            Ok(intent) => intent.status,
            Err(GatewayError::Invalid {
                intent_status: Some(status),
                ..
            }) => status,
            Err(error) => return Err(chain(&error)),
        };
        match status {
            IntentStatus::Canceled => Ok(()),
            other => Err(format!(
                "the payment {id} cannot be cancelled: it is {other:?}"
            )),
        }
    }

    /// Writes one change of an attempt. Refused, it is somebody else's, unless it is refused by the lease that it
    /// takes itself: then only the first answer was lost. Unknown, the next sweep finds out.
    async fn write(&self, write: Write, takes: Option<&Lease>) -> Result<End, String> {
        match self.store.commit(&[write]).await {
            Ok(()) => Ok(End::Ended),
            Err(CommitError::Refused(refusals)) => {
                let mut rows = refusals.iter().filter_map(|refusal| refusal.row.as_ref());
                let is_ours = |row: &Item| {
                    let attempt = Attempt::read(row);
                    takes.is_some_and(|lease| attempt.is_ok_and(|it| it.is_owned_by(lease)))
                };
                Ok(if rows.any(is_ours) {
                    End::Ended
                } else {
                    End::NotOurs
                })
            }
            Err(error) => Err(chain(&error)),
        }
    }
}

impl Stuck {
    fn unread(cause: impl Into<String>) -> Self {
        Self {
            order_id: None,
            cause: cause.into(),
        }
    }
}

#[cfg(test)]
mod tests;
