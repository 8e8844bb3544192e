//! What goods cost, as checkout's table says.

use dashpot::{Item, Key, Store, StoreError, Value};
use shop_events::{Line, Money, QuoteGiven, QuoteRequested};

/// The answer to a question, at the prices of now.
///
/// # Errors
/// The table does not answer.
pub async fn quote<S: Store>(
    prices: &S,
    question: &QuoteRequested,
    now: u64,
) -> Result<QuoteGiven, StoreError> {
    let keys = question
        .items
        .iter()
        .map(|line| Key::new(format!("product#{}", line.sku)));
    let keys: Vec<Key> = keys.collect();
    let rows = if keys.is_empty() {
        Vec::new()
    } else {
        prices.get(&keys).await?
    };
    let (mut items, mut unknown) = (Vec::new(), Vec::new());
    for (line, row) in question.items.iter().zip(rows) {
        match row.as_ref().and_then(price) {
            Some(price) => items.push(Line {
                unit_price: Some(price),
                ..line.clone()
            }),
            None => unknown.push(line.sku.clone()),
        }
    }
    let total = if unknown.is_empty() {
        total(&items)
    } else {
        None
    };
    Ok(QuoteGiven {
        user_id: question.user_id.clone(),
        items,
        unknown,
        total,
        given_at: now,
    })
}

fn price(row: &Item) -> Option<Money> {
    Some(Money {
        amount: u64::try_from(row.get("price")?.as_i64()?).ok()?,
        currency: row.get("currency").and_then(Value::as_str)?.parse().ok()?,
    })
}

fn total(items: &[Line]) -> Option<Money> {
    let mut amounts = items
        .iter()
        .map(|line| line.unit_price?.checked_mul(line.quantity.get()));
    let first = amounts.next()??;
    amounts.try_fold(first, |sum, amount| sum.checked_add(amount?))
}
