//! Email: writes to the customer on what concerns them, one letter an order and kind.
//!
//! - [`handler`]: which events are worth a letter, and when it is not wanted any more
//! - [`letter`]: what the letters say
//! - [`mailer`]: the port; [`ses`]: SES behind it
//!
//! SES has no idempotency token: a letter whose sending nobody got to record is sent again. So it is sent at least
//! once, and once as long as no process dies and no answer is lost between SES and the record.

pub mod handler;
pub mod letter;
pub mod mailer;
pub mod ses;

use dashpot::{Claiming, Consumer, Envelope, OnUnknown, Queue, Recovery, Store};

use crate::handler::{Email, Incoming};
use crate::mailer::Mailer;

/// The consumer, over its table, its queue and whoever carries the letters.
pub fn consumer<S: Store, Q: Queue, M: Mailer>(
    store: S,
    queue: Q,
    mailer: M,
    recovery: Recovery,
) -> Consumer<Email<M>, Envelope<Incoming>, Q, Claiming<S>> {
    Consumer::<_, Envelope<Incoming>>::new("email", Email::new(mailer))
        .recovery(recovery)
        .recovering(queue)
        .claiming(store, OnUnknown::Handle)
}
