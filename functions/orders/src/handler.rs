//! Reads an order's events from the journal.

use dashpot::{Item, Query, Store, StoreError};
use order_history::{Event, Order, fold};
use serde::Serialize;
use shop_events::OrderId;
use tokio::time::{Instant, timeout_at};

use crate::as_of;
use crate::problem::Problem;

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// Which order.
    pub id: &'a str,
    /// As it was when; as it is now where nothing is said.
    pub as_of: Option<&'a str>,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The moment that was asked about, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
}

/// The read side of the journal.
#[derive(Debug)]
pub struct Orders<S> {
    journal: S,
}

impl<S: Store> Orders<S> {
    /// Over the journal's table.
    pub fn new(journal: S) -> Self {
        Self { journal }
    }

    /// The order, as its events tell of it.
    ///
    /// # Errors
    /// [`Problem`] when it is not known, or cannot be read before the deadline.
    pub async fn show(&self, asked: Question<'_>, deadline: Instant) -> Result<Told, Problem> {
        let invalid = |field, detail: String| Problem::Invalid { field, detail };
        let id: OrderId = (asked.id.parse()).map_err(|error| invalid("id", format!("{error}")))?;
        let as_of = asked.as_of.map(as_of::read).transpose();
        let as_of = as_of.map_err(|error| invalid("asOf", error.to_string()))?;
        let events = timeout_at(deadline, self.events(&id))
            .await
            .map_err(|_| Problem::Unavailable("the time ended".into()))?
            .map_err(|error| Problem::Unavailable(error.to_string()))?;
        let order = fold(id, events, as_of).ok_or(match as_of {
            Some(_) => Problem::UnknownThen,
            None => Problem::UnknownOrder,
        })?;
        Ok(Told { order, as_of })
    }

    async fn events(&self, id: &OrderId) -> Result<Vec<Event>, StoreError> {
        let rows = Query::partition(format!("order#{id}")).all(&self.journal);
        let event = |row: &Item| {
            let no_envelope = || StoreError("a row of the journal holds no envelope".into());
            Event::in_row(row).ok_or_else(no_envelope)
        };
        rows.await?.iter().map(event).collect()
    }
}
