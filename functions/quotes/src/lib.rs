//! Quotes: says what goods would cost, to whoever asks over a queue and waits for the answer on a queue of their own.
//!
//! - [`handler`]: what a request means, and why there is one answer to it
//! - [`price`]: the answer
//! - [`replies`]: the port to the queues of those who ask, and SQS behind it
//! - [`telemetry`]: what is said of a request that is not answered
//!
//! The prices are checkout's: quotes reads its table, as the sweeper does, and writes nothing there.

pub mod handler;
pub mod price;
pub mod replies;
pub mod telemetry;

use dashpot::{Consumer, Envelope, Plain, Queue, Recovery, Request, Store};
use shop_events::QuoteRequested;

use crate::handler::Quotes;
use crate::replies::Replies;

/// The consumer, over checkout's table, its own, the queues of those who ask, and its queue.
pub fn consumer<P: Store, S: Store, R: Replies, Q: Queue>(
    prices: P,
    answers: S,
    replies: R,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Quotes<P, S, R>, Envelope<Request<QuoteRequested>>, Q, Plain> {
    let handler = Quotes {
        prices,
        answers,
        replies,
        log: telemetry::to_stdout,
    };
    Consumer::<_, Envelope<Request<QuoteRequested>>>::new("quotes", handler)
        .recovery(recovery)
        .recovering(queue)
}
