//! What a request means:
//!
//! 1. Whose deadline is over is not worked on: nobody waits for it.
//! 2. The answer is written down under the request's id, if there is none.
//! 3. What is written there is sent. A process that ends in between, or does not hear that it was sent, sends the same
//!    answer again, byte for byte: whoever asked counts it as a duplicate, and sees one.
//!
//! An answer is not sent through the outbox: somebody waits for it, and without them it is worth nothing.

use dashpot::{
    CommitError, Context, Envelope, Event, Failure, Handler, Key, Metadata, Request, Row, Store,
    Value, Write, new_id,
};
use shop_events::{QuoteGiven, QuoteRequested};

use crate::price::quote;
use crate::replies::{NotReplied, Replies};
use crate::telemetry;

/// How long an answer is kept, in seconds: a day, longer than a request can come again.
const KEPT_SECONDS: u64 = 24 * 3600;

/// The handler.
#[derive(Debug)]
pub struct Quotes<P, S, R> {
    pub(crate) prices: P,
    pub(crate) answers: S,
    pub(crate) replies: R,
    pub(crate) log: fn(&str),
}

impl<P: Store, S: Store, R: Replies> Handler<Envelope<Request<QuoteRequested>>>
    for Quotes<P, S, R>
{
    type Output = ();

    async fn handle(
        &self,
        asked: Envelope<Request<QuoteRequested>>,
        cx: &Context,
    ) -> Result<(), Failure> {
        let request = asked.payload;
        if cx.now >= request.deadline {
            (self.log)(&telemetry::expired(&cx.event_id, cx.now));
            return Ok(());
        }
        let key = Key::new(format!("quote#{}", cx.event_id));
        let answer = match self.written(&key).await? {
            Some(answer) => answer,
            None => self.write(&key, &request.question, cx).await?,
        };
        match self.replies.send(&request.reply_to, &answer).await {
            Ok(()) => Ok(()),
            Err(NotReplied::Gone) => {
                (self.log)(&telemetry::gone(&cx.event_id, cx.now));
                Ok(())
            }
            Err(error @ NotReplied::Forbidden(..)) => Err(Failure::permanent(error.to_string())),
            Err(error @ NotReplied::Unknown(_)) => Err(error.into()),
        }
    }
}

impl<P: Store, S: Store, R: Replies> Quotes<P, S, R> {
    /// The answer that is written down.
    async fn written(&self, key: &Key) -> Result<Option<String>, Failure> {
        let rows = self.answers.get(std::slice::from_ref(key)).await?;
        let row = rows.into_iter().next().flatten();
        let answer = row.as_ref().and_then(|row| row.get("answer")?.as_str());
        Ok(answer.map(str::to_owned))
    }

    /// Finds the answer, and writes it down, unless another was quicker.
    async fn write(
        &self,
        key: &Key,
        question: &QuoteRequested,
        cx: &Context,
    ) -> Result<String, Failure> {
        let given = quote(&self.prices, question, cx.now).await?;
        let answer = envelope(given, cx)?;
        let row = Row::new(key.clone())
            .set("answer", Value::from(answer.as_str()))
            .set("expiresAt", cx.now / 1000 + KEPT_SECONDS);
        match self.answers.commit(&[Write::create(row)]).await {
            Ok(()) => Ok(answer),
            Err(CommitError::Refused(_)) => {
                let written = self.written(key).await?;
                Ok(written.ok_or("the answer went away")?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn envelope(given: QuoteGiven, cx: &Context) -> Result<String, serde_json::Error> {
    let subject = given.subject().to_owned();
    serde_json::to_string(&Envelope {
        event_type: QuoteGiven::TYPE.to_owned(),
        payload: given,
        metadata: Metadata {
            id: new_id(cx.now).to_string(),
            timestamp: cx.now,
            correlation_id: cx.event_id.clone(),
            causation_id: Some(cx.event_id.clone()),
            version: QuoteGiven::VERSION,
            source: Some("quotes".to_owned()),
            subject: Some(subject),
            hops: cx.hops + 1,
        },
    })
}

#[cfg(test)]
mod tests;
