//! SQS consumers on AWS Lambda that lose nothing.
//!
//! Of every batch, each message ends as exactly one of *done*, *failed* (it comes back) or *parked* (it lies in
//! the dead-letter queue with its reason), whatever happens: a malformed body, a panic, a throttled table, the
//! end of the invocation's time, the death of the process.
//!
//! ```no_run
//! use dashpot::{Consumer, Failure, FailureExt, Json, from_fn};
//!
//! async fn resize(Json(url): Json<String>) -> Result<(), Failure> {
//!     let size: u32 = url.rsplit('=').next().unwrap_or_default().parse().permanent()?; // never comes right
//!     println!("{size}"); // and a bare `?` on an error means: try again, with backoff
//!     Ok(())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), lambda_runtime::Error> {
//!     dashpot::run(Consumer::<_, Json<String>>::new("thumbnails", from_fn(resize))).await
//! }
//! ```
//!
//! - What a service writes: [`Handler`], [`Claims`], [`BatchHandler`], with [`Effects`], [`Failure`] and [`Context`]
//! - What a message becomes: [`FromMessage`], for [`Envelope`] and [`Json`]
//! - What puts it together: [`Consumer`] or [`BatchConsumer`], with [`Recovery`]
//! - What it stands on: the ports [`Store`] and [`Queue`], with [`DynamoStore`] and [`SqsQueue`] behind them
//! - For producers that are not consumers: [`Origin`]; for those who want an answer: [`Requester`]
//!
//! Features: `lambda` ([`run`], [`serve`]), `sqs`, `dynamodb`, all on by default.

#[cfg(feature = "aws")]
pub mod aws;
mod batch_consumer;
mod batch_handler;
mod chunk;
mod chunkwise;
mod claim;
mod clock;
mod commit;
mod config;
mod consumer;
mod context;
mod correlation;
mod decode;
mod desk;
mod effects;
mod failure;
mod glance;
mod handler;
mod id;
mod invocation;
mod merge;
mod message;
mod mode;
mod outbox;
mod outcome;
mod pipeline;
mod queue;
mod recovery;
mod request;
mod row;
#[cfg(feature = "lambda")]
mod run;
mod salvage;
mod scan;
mod sendable;
mod shard;
mod singly;
mod store;
mod suspect;
mod telemetry;

#[cfg(feature = "dynamodb")]
pub use aws::dynamo::DynamoStore;
#[cfg(feature = "sqs")]
pub use aws::mailbox::SqsMailbox;
#[cfg(feature = "sqs")]
pub use aws::sqs::SqsQueue;
pub use batch_consumer::BatchConsumer;
pub use batch_handler::BatchHandler;
pub use claim::{Claim, Claimed, OnUnknown};
pub use clock::{Clock, now};
pub use config::{ConfigError, variable};
pub use consumer::Consumer;
pub use context::Context;
pub use correlation::{correlation_id, is_traceparent};
pub use dashpot_envelope::{
    Envelope, Event, EventSet, Metadata, Personal, Request, Unreadable, event_set,
};
pub use decode::{FromMessage, Json, Undecodable};
pub use effects::{Effects, Refused};
pub use failure::{Disposition, Failure, FailureExt, chain};
pub use handler::{FromFn, Handler, from_fn};
pub use id::{new_id, new_token, seed_ids};
pub use invocation::{BatchItemFailure, BatchResponse, InvalidEvent, Invocation};
pub use message::{Attributes, Message, MessageAttribute};
pub use mode::{Atomic, Claiming, Claims, Mode, Plain};
pub use outbox::{LARGEST_ENVELOPE, MOST_HOPS, Origin, OutboxError, day, hour};
pub use queue::{NoQueue, ParkNote, ParkedAs, Queue, QueueError};
pub use recovery::{Problem, Reason, Recovery, Verdict};
pub use request::{Mailbox, MailboxError, Outgoing, Replies, Reply, Requester, Unanswered};
pub use row::{Change, Condition, Item, Key, Row, Value, Write};
#[cfg(feature = "lambda")]
pub use run::{Consumes, run, serve};
pub use sendable::{is_sendable, sendable_json};
pub use serde_json::value::RawValue;
pub use shard::{SHARDS, shard};
pub use store::{
    CommitError, MOST_WRITES, NoStore, Page, Part, Query, Refusal, Scan, Store, StoreError,
};
