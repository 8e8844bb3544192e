//! What the tests of checkout and of the sweeper stand on: a payment provider in memory, and a way to stop a request
//! between any two of its steps. Each of the two uses some of it.

#![allow(dead_code, reason = "what one of the two does not use, the other does")]

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use dashpot::{CommitError, Item, Key, Page, Query, Store, StoreError, Write};
use payment_gateway::{
    Authorisation, Gateway, GatewayError, Intent, IntentId, IntentStatus, OrderId, Refund,
};

/// Stripe in memory: keys that bring the first answer again, and holds that can be counted.
#[derive(Debug, Default)]
pub(crate) struct FakeProvider {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, First>,
    intents: Vec<Intent>,
    troubles: VecDeque<Trouble>,
    calls: usize,
    hides_search: bool,
}

#[derive(Debug, Clone)]
enum First {
    Intent(usize),
    Declined,
    ServerError,
}

/// What goes wrong with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not reached.
    Unavailable,
    /// It acts, and its answer is lost.
    LosesAnswer,
    /// It answers with a server error, now and for ever under this key.
    StoresError,
    /// It never answers.
    Hangs,
}

impl FakeProvider {
    /// The next call goes wrong. May be called several times for several calls.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.lock().troubles.push_back(trouble);
    }

    /// From now on the search finds nothing, or works again.
    pub(crate) fn hide_search(&self, hides: bool) {
        self.lock().hides_search = hides;
    }

    /// From now on every key answers with a server error, whatever it did.
    pub(crate) fn forget_answers(&self) {
        for first in self.lock().keys.values_mut() {
            *first = First::ServerError;
        }
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How many holds there were, those let go of included.
    pub(crate) fn holds_ever(&self) -> usize {
        self.lock().intents.len()
    }

    /// The orders for which money is held, in the order of the holds.
    pub(crate) fn holds(&self) -> Vec<String> {
        let state = self.lock();
        let held = |intent: &&Intent| intent.status == IntentStatus::RequiresCapture;
        let order = |intent: &Intent| intent.order_id.as_ref().map(ToString::to_string);
        state
            .intents
            .iter()
            .filter(held)
            .filter_map(order)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; what is to go wrong with it.
    fn call(&self) -> Option<Trouble> {
        let mut state = self.lock();
        state.calls += 1;
        state.troubles.pop_front()
    }
}

fn unknown() -> GatewayError {
    GatewayError::Unknown("told to be".into())
}

impl State {
    fn authorise(&mut self, what: &Authorisation) -> First {
        if let Some(first) = self.keys.get(&what.key()) {
            return first.clone();
        }
        let first = if what.payment_method.as_str() == "pm_card_visa_chargeDeclined" {
            First::Declined
        } else {
            let id = IntentId::parse(format!("pi_{}", self.intents.len()));
            self.intents.push(Intent {
                id: id.expect("an id"),
                status: IntentStatus::RequiresCapture,
                amount: what.amount.minor_units,
                currency: what.amount.currency,
                amount_received: 0,
                amount_refunded: 0,
                order_id: Some(what.order_id.clone()),
            });
            First::Intent(self.intents.len() - 1)
        };
        self.keys.insert(what.key(), first.clone());
        first
    }

    fn answer(&self, first: &First) -> Result<Intent, GatewayError> {
        match first {
            // The first answer, whatever became of the payment since.
            First::Intent(at) => Ok(Intent {
                status: IntentStatus::RequiresCapture,
                ..self.intents[*at].clone()
            }),
            First::Declined => Err(GatewayError::Declined {
                code: "card_declined".to_owned(),
                decline_code: Some("stolen_card".to_owned()),
                intent: None,
            }),
            First::ServerError => Err(GatewayError::Replayed("told to be".into())),
        }
    }
}

fn invalid(param: Option<&str>, intent_status: Option<IntentStatus>) -> GatewayError {
    GatewayError::Invalid {
        code: None,
        message: "told to be".to_owned(),
        param: param.map(str::to_owned),
        intent_status,
    }
}

impl Gateway for &FakeProvider {
    async fn authorise(&self, what: &Authorisation) -> Result<Intent, GatewayError> {
        let trouble = self.call();
        if trouble == Some(Trouble::Hangs) {
            std::future::pending::<()>().await;
        }
        let mut state = self.lock();
        match trouble {
            Some(Trouble::Unavailable) => Err(GatewayError::Unavailable("told to be".into())),
            Some(Trouble::StoresError) => {
                state.keys.insert(what.key(), First::ServerError);
                Err(unknown())
            }
            _ if what.payment_method.as_str() == "pm_unknown" => {
                Err(invalid(Some("payment_method"), None))
            }
            Some(Trouble::LosesAnswer) => {
                state.authorise(what);
                Err(unknown())
            }
            Some(Trouble::Hangs) | None => {
                let first = state.authorise(what);
                state.answer(&first)
            }
        }
    }

    async fn cancel(&self, id: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        let trouble = self.call();
        if trouble.is_some_and(|trouble| trouble != Trouble::LosesAnswer) {
            return Err(GatewayError::Unavailable("told to be".into()));
        }
        let mut state = self.lock();
        let intent = state.intents.iter_mut().find(|intent| intent.id == *id);
        let intent = intent.ok_or_else(|| invalid(Some("intent"), None))?;
        if intent.status != IntentStatus::RequiresCapture {
            return Err(invalid(None, Some(intent.status.clone())));
        }
        intent.status = IntentStatus::Canceled;
        if trouble.is_some() {
            Err(unknown())
        } else {
            Ok(intent.clone())
        }
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        match self.call() {
            Some(Trouble::Hangs) => std::future::pending().await,
            Some(_) => return Err(GatewayError::Unavailable("told to be".into())),
            None => {}
        }
        let state = self.lock();
        let of_order = |intent: &&Intent| intent.order_id.as_ref() == Some(order_id);
        let found = state.intents.iter().filter(of_order).cloned();
        Ok(if state.hides_search {
            Vec::new()
        } else {
            found.collect()
        })
    }

    async fn capture(&self, _: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        unreachable!("only payments captures")
    }

    async fn refund(&self, _: &IntentId, _: &str) -> Result<Refund, GatewayError> {
        unreachable!("only payments refunds")
    }

    async fn retrieve(&self, _: &IntentId) -> Result<Intent, GatewayError> {
        unreachable!("nobody here knows an id beforehand")
    }
}

/// A store or a provider that lets go of the thread before and after each call, so that a test can stop whoever calls
/// it there, with [`advance`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stepwise<T>(pub(crate) T);

async fn stop() {
    let mut stopped = false;
    poll_fn(|cx| {
        if stopped {
            Poll::Ready(())
        } else {
            stopped = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Runs a future up to so many stops; what it ends with, if it ends before.
pub(crate) async fn advance<F: Future>(mut future: Pin<&mut F>, stops: usize) -> Option<F::Output> {
    for _ in 0..stops {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
    }
    None
}

impl<S: Store> Store for Stepwise<&S> {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        stop().await;
        let outcome = self.0.commit(writes).await;
        stop().await;
        outcome
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        stop().await;
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        stop().await;
        self.0.query(query).await
    }
}

impl Gateway for Stepwise<&FakeProvider> {
    async fn authorise(&self, what: &Authorisation) -> Result<Intent, GatewayError> {
        stop().await;
        let outcome = self.0.authorise(what).await;
        stop().await;
        outcome
    }

    async fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        stop().await;
        let outcome = self.0.cancel(id, key).await;
        stop().await;
        outcome
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        stop().await;
        self.0.find(order_id).await
    }

    async fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.0.capture(id, key).await
    }

    async fn refund(&self, id: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        self.0.refund(id, key).await
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        self.0.retrieve(id).await
    }
}
