//! An order's invoice number, `{yyyy}-{series}-{n}`: assigned once, in a row of its own, and the same for ever.
//!
//! Numbers run without a gap within a series: the transaction that counts one is the one that assigns it. There are 16
//! series a year, so that workers rarely meet at the row that counts; an order's series follows from its id.

use dashpot::{CommitError, Condition, Failure, Key, Row, Store, Value, Write, day, shard};
use shop_events::WriteInvoice;

/// How often a number is tried for that another worker was quicker to take.
const TRIES: u32 = 8;

/// The order's number, assigned now or before.
///
/// # Errors
/// A [`Failure`] that is worth another try: the table does not answer, or others are always quicker.
pub async fn assigned<S: Store>(store: &S, job: &WriteInvoice) -> Result<String, Failure> {
    let series = format!(
        "{}-{:02}",
        &day(job.captured_at)[..4],
        shard(job.order_id.as_str())
    );
    let own = Key::of(format!("invoice#{}", job.order_id), "number");
    let counting = Key::new(format!("series#{series}"));
    for _ in 0..TRIES {
        let rows = store.get(&[own.clone(), counting.clone()]).await?;
        let value = |row: usize, name: &str| rows.get(row)?.as_ref()?.get(name);
        if let Some(number) = value(0, "number").and_then(Value::as_str) {
            return Ok(number.to_owned());
        }
        let last = value(1, "last").and_then(Value::as_i64);
        let next = last.unwrap_or_default() + 1;
        let number = format!("{series}-{next:06}");
        let count = match last {
            None => Write::create(Row::new(counting.clone()).set("last", next)),
            Some(last) => Write::update(counting.clone())
                .set("last", next)
                .when(Condition::equals("last", last)),
        };
        let assigned = Write::create(Row::new(own.clone()).set("number", number.as_str()));
        match store.commit(&[assigned, count]).await {
            Ok(()) => return Ok(number),
            // Another was quicker, or nobody knows: the rows tell, at the next look.
            Err(CommitError::Refused(_) | CommitError::Conflict | CommitError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::retry(
        "others are always quicker to take an invoice number",
    ))
}
