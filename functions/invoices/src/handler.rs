//! What a job means. Each step can be repeated, by the same worker or by another at the same time:
//!
//! 1. The order's number is assigned in a row, or read there.
//! 2. The PDF is made of job, number and seller alone, so it has the same bytes each time.
//! 3. It is put under the order's key where nothing lies yet; what lies there is left alone.
//! 4. One transaction notes that it is done, and counts it.
//!
//! A worker that ends in between leaves a number, or a document, that the next one finds. A claim would not make this
//! safer, and cost a lease's wait after each crash.

use dashpot::{Context, Effects, Envelope, Failure, Handler, Key, Row, Store, Write, shard};
use shop_events::{Money, WriteInvoice};

use crate::cabinet::{self, Cabinet};
use crate::number;
use crate::page::pdf;
use crate::seller::Seller;

/// The handler.
#[derive(Debug)]
pub struct Invoices<S, C> {
    pub(crate) store: S,
    pub(crate) cabinet: C,
    pub(crate) seller: Seller,
}

impl<S: Store, C: Cabinet> Handler<Envelope<WriteInvoice>> for Invoices<S, C> {
    type Output = Effects;

    async fn handle(&self, job: Envelope<WriteInvoice>, cx: &Context) -> Result<Effects, Failure> {
        let job = job.payload;
        adds_up(&job)?;
        let number = number::assigned(&self.store, &job).await?;
        let key = cabinet::key(&job);
        let document = pdf(&job, &number, &self.seller);
        self.cabinet.put_new(&key, document).await?;
        let done = Row::new(Key::of(format!("invoice#{}", job.order_id), "document"))
            .set("number", number)
            .set("object", key)
            .set("at", cx.now);
        let count = Key::new(format!("written#{}", shard(job.order_id.as_str())));
        Ok(Effects::none()
            .once(done)
            .write(Write::update(count).add("invoices", 1))
            // Written before, for another job of the same order.
            .otherwise(|_| Ok(Effects::none())))
    }
}

/// An invoice whose lines do not come to its total is worse than none: a person has to look.
fn adds_up(job: &WriteInvoice) -> Result<(), Failure> {
    let none = Money {
        amount: 0,
        ..job.total
    };
    let amounts = job
        .items
        .iter()
        .map(|line| Some((line.unit_price?, line.quantity.get())));
    let Some(amounts) = amounts.collect::<Option<Vec<_>>>() else {
        return Ok(()); // of the first version, whose lines have no price
    };
    let sum = amounts
        .into_iter()
        .try_fold(none, |sum, (price, quantity)| {
            sum.checked_add(price.checked_mul(quantity)?)
        });
    if sum == Some(job.total) {
        return Ok(());
    }
    let sum = sum.map_or("more than can be paid".to_owned(), |sum| sum.to_string());
    Err(Failure::permanent(format!(
        "the lines come to {sum}, and {} was paid",
        job.total
    )))
}

#[cfg(test)]
mod tests;
