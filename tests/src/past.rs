//! A journal of orders that were served, for what reads all of it: five events an order, an order after the other within the
//! last day.

use dashpot::{CommitError, Key, Row, Store, Write, hour, now, shard};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// In milliseconds.
const DAY: u64 = 86_400_000;

/// From one order to the next, in milliseconds: 200,000 orders, a million events, take most of the day.
const APART: u64 = 400;

/// The events of an order that is served.
const NAMES: [&str; 5] = [
    "order.placed",
    "stock.reserved",
    "payment.captured",
    "pick_list.created",
    "pick_list.packed",
];

/// The journal's row of an event, the `nth` of all of a run.
#[must_use]
pub fn row(run: u64, nth: u64) -> Row {
    let (order, step) = (nth / 5, nth % 5);
    let name = NAMES[usize::try_from(step).unwrap_or_default()];
    let at = now() - DAY + order * APART + step;
    let version: u32 = if step == 0 { 2 } else { 1 };
    let id = format!("{run:x}-{nth}");
    let cause = match step {
        0 => String::new(),
        _ => format!(r#""causationId":"{run:x}-{}","#, nth - 1),
    };
    let body = format!(
        r#"{{"type":"{name}","payload":{{"orderId":"{run:x}-{order}","userId":"user-{}","customer":{{"email":"ada@example.com"}},"total":{{"amount":12997,"currency":"EUR"}},"amount":{{"amount":12997,"currency":"EUR"}},"items":[{{"sku":"chair-oak","quantity":2,"unitPrice":{{"amount":4999,"currency":"EUR"}}}},{{"sku":"lamp-brass","quantity":1,"unitPrice":{{"amount":2999,"currency":"EUR"}}}}],"paymentIntentId":"pi_3SV4SHPNFDCYD3OL33F3AH3S"}},"metadata":{{"id":"{id}","timestamp":{at},"correlationId":"req-{order}",{cause}"version":{version},"source":"shop","subject":"{run:x}-{order}","hops":{step}}}}}"#,
        order % 1000
    );
    Row::new(Key::of(
        format!("order#{run:x}-{order}"),
        format!("{at:013}#{id}"),
    ))
    .set("type", name)
    .set("version", version)
    .set("correlationId", format!("req-{order}"))
    .set("timestamp", at)
    .set("customer", format!("user-{}", order % 1000))
    .set("feed", format!("{}#{}", hour(at), shard(&id)))
    .set("body", body)
}

/// Files so many events.
///
/// # Errors
/// The journal does not take one.
pub async fn put<S: Store>(journal: &S, run: u64, count: u64) -> Result<(), CommitError> {
    let writes = stream::iter(0..count).map(|nth| async move {
        let write = [Write::put(row(run, nth))];
        journal.commit(&write).await
    });
    writes.buffer_unordered(32).try_collect().await
}
