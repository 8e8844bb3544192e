//! Which events are worth a letter, and when it is not wanted any more.
//!
//! The row `letter#{order}#{kind}` is claimed before the letter is sent, and says `sent` afterwards. Once there is
//! a letter about the cancellation, sent or about to be, the news from before it are not sent any more: it would
//! be odd to read after it that the order is being picked. What went back to the card is told all the same: money
//! is refunded because of the cancellation, and after it.

use dashpot::{
    Claim, Claims, Context, Disposition, Effects, Envelope, Failure, FailureExt, Handler, Item, Key,
};
use shop_events::{
    OrderCancellationRefused, OrderCancelled, OrderId, OrderPlaced, PaymentFailed, PaymentRefunded,
    PickListCreated, PickListPacked, StockRejected,
};

use crate::letter::{Kind, Letter};
use crate::mailer::{MailError, Mailer};

dashpot::event_set! {
    /// What email takes; its subscription's filter lists the same.
    pub enum Incoming {
        OrderPlaced(OrderPlaced),
        StockRejected(StockRejected),
        PaymentRefunded(PaymentRefunded),
        PaymentFailed(PaymentFailed),
        PickListCreated(PickListCreated),
        PickListPacked(PickListPacked),
        OrderCancelled(OrderCancelled),
        OrderCancellationRefused(OrderCancellationRefused),
    }
}

/// The handler: it decides, and holds the way out.
#[derive(Debug)]
pub struct Email<M> {
    mailer: M,
}

impl<M: Mailer> Email<M> {
    /// A handler that sends through this mailer.
    pub fn new(mailer: M) -> Self {
        Self { mailer }
    }
}

impl<M: Mailer> Claims<Envelope<Incoming>> for Email<M> {
    fn claim(&self, event: &Envelope<Incoming>, _: &Context) -> Result<Option<Claim>, Failure> {
        // An address that is none will never be one.
        let letter = Letter::about(&event.payload).permanent()?;
        Ok(letter.map(|letter| {
            let claim = Claim::new(key(&letter.order, letter.kind), "claimed");
            match letter.kind {
                Kind::Cancelled | Kind::Refunded => claim,
                Kind::Placed
                | Kind::Rejected
                | Kind::PaymentFailed
                | Kind::Picking
                | Kind::Packed
                | Kind::CancellationRefused => claim.unless(key(&letter.order, Kind::Cancelled)),
            }
        }))
    }

    /// Sent before: there is one letter of a kind, whatever asks for it again.
    fn refused(&self, _: Envelope<Incoming>, _: &Item, _: &Context) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}

impl<M: Mailer> Handler<Envelope<Incoming>> for Email<M> {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let Some(letter) = Letter::about(&event.payload).permanent()? else {
            return Ok(Effects::none());
        };
        self.mailer.send(&letter).await.classify(disposition)?;
        Ok(Effects::none().settle("sent"))
    }
}

/// Where the one letter of that kind is noted.
fn key(order: &OrderId, kind: Kind) -> Key {
    Key::new(format!("letter#{order}#{kind}"))
}

fn disposition(error: &MailError) -> Disposition {
    match error {
        MailError::Refused(_) => Disposition::Permanent,
        // The claim stays; when its lease has run out the letter is sent, perhaps a second time.
        MailError::NotNow(_) | MailError::Unknown(_) => Disposition::Retry,
    }
}

#[cfg(test)]
mod tests;
