//! Reads an order's events from the journal.

use dashpot::{Query, Store, StoreError};
use shop_events::OrderId;
use tokio::time::{Instant, timeout_at};

use crate::event::Event;
use crate::fold::{Order, fold};
use crate::problem::Problem;

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

    /// The order of that id, as its events tell of it by now.
    ///
    /// # Errors
    /// [`Problem`] when it is not known, or cannot be read before the deadline.
    pub async fn show(&self, id: &str, deadline: Instant) -> Result<Order, Problem> {
        let id: OrderId = id
            .parse()
            .map_err(|error| Problem::InvalidId(format!("{error}")))?;
        let events = timeout_at(deadline, self.events(&id))
            .await
            .map_err(|_| Problem::Unavailable("the time ended".into()))?
            .map_err(|error| Problem::Unavailable(error.to_string()))?;
        fold(id, events).ok_or(Problem::UnknownOrder)
    }

    async fn events(&self, id: &OrderId) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let mut query = Query::partition(format!("order#{id}"));
        loop {
            let page = self.journal.query(&query).await?;
            for row in &page.items {
                events.push(
                    Event::in_row(row).ok_or_else(|| {
                        StoreError("a row of the journal holds no envelope".into())
                    })?,
                );
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(events);
            }
        }
    }
}
