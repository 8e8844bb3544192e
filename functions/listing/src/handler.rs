//! What an event means for the rows: one read and one transaction, whatever came before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dashpot::{
    Context, Effects, Envelope, Failure, FailureExt, Handler, Item, Key, Refused, Row, Store,
};
use order_history::{Event, Facts};
use serde_json::value::RawValue;
use shop_events::OrderId;

use crate::generation::Generations;
use crate::{log, row};

/// What listing takes: every event, known or not, as the journal does, which it must equal.
pub type Anything = Envelope<Box<RawValue>>;

/// The handler: it reads an order's rows, and decides.
#[derive(Debug)]
pub struct Listing<S> {
    store: S,
    /// Which rows to ask for along with the pointer. A guess: when it is wrong, they are asked for again.
    guess: Mutex<Generations>,
}

impl<S> Listing<S> {
    /// Over its table.
    pub fn new(store: S) -> Self {
        Self {
            store,
            guess: Mutex::default(),
        }
    }
}

impl<S: Store> Handler<Anything> for Listing<S> {
    type Output = Effects;

    async fn handle(&self, event: Anything, cx: &Context) -> Result<Effects, Failure> {
        let event = Event::of(&event).permanent()?;
        let Some(order) = event.order_id() else {
            return Ok(Effects::none());
        };
        let facts = Facts::of(&event);
        let (generations, rows) = self.rows(&order).await?;
        let news = News {
            log: log::row(&order, &event, &facts, cx.now).permanent()?,
            order,
            facts,
            generations,
        };
        decide(Arc::new(news), rows)
    }
}

type Rows = BTreeMap<Key, Item>;

impl<S: Store> Listing<S> {
    /// The pointer, and the order's row in each generation that it names, read together.
    async fn rows(&self, order: &OrderId) -> Result<(Generations, Rows), Failure> {
        loop {
            let guess = *self.guess.lock().unwrap_or_else(PoisonError::into_inner);
            let mut keys = vec![Generations::key()];
            keys.extend(guess.live().map(|generation| row::key(generation, order)));
            let mut rows = self.store.get(&keys).await?.into_iter();
            let generations = Generations::read(rows.next().flatten().as_ref())?;
            if generations == guess {
                let rows = keys.into_iter().skip(1).zip(rows);
                let rows = rows.filter_map(|(key, row)| Some((key, row?)));
                return Ok((generations, rows.collect()));
            }
            *self.guess.lock().unwrap_or_else(PoisonError::into_inner) = generations;
        }
    }
}

/// What an event says, and where it is to be said.
struct News {
    order: OrderId,
    facts: Facts,
    generations: Generations,
    log: Row,
}

/// Folds the news into the rows as they stand. Where they change before it is written, it is decided again, with what
/// they say by then.
fn decide(news: Arc<News>, rows: Rows) -> Result<Effects, Failure> {
    let mut effects = Effects::none().once(news.log.clone());
    for generation in news.generations.live() {
        let standing = rows.get(&row::key(generation, &news.order));
        let write = row::fold(generation, &news.order, &news.facts, standing);
        effects = effects.writes(write.permanent()?);
    }
    if effects.written().is_empty() {
        return Ok(Effects::none());
    }
    Ok(effects.otherwise(move |refused: Refused| {
        let mut rows = rows;
        for key in refused.keys() {
            match refused.row(key) {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => rows.remove(key),
            };
        }
        decide(news, rows)
    }))
}

#[cfg(test)]
mod tests;
