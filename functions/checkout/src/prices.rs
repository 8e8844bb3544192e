//! What it costs: the shop's prices, never the client's.

use dashpot::{Item, Key, Value};
use shop_events::{Currency, Line, Lines, Money, Sku};

use crate::form::Wanted;
use crate::problem::Problem;

/// Where a product's price lies: `price` (minor units) and `currency`.
#[must_use]
pub fn product_key(sku: &Sku) -> Key {
    Key::new(format!("product#{sku}"))
}

/// Puts prices to what is wanted, from the products' rows in the same order, and sums them up.
///
/// # Errors
/// A [`Problem`] that names the item whose sku is not known, or `items` if they cannot be summed up.
pub fn price(wanted: &[Wanted], products: &[Option<Item>]) -> Result<(Lines, Money), Problem> {
    let mut total: Option<Money> = None;
    let mut lines = Vec::with_capacity(wanted.len());
    for (wanted, product) in wanted.iter().zip(products) {
        let Some(product) = product else {
            let field = format!("items[{}].sku", wanted.position);
            return Err(Problem::field(
                field,
                format!("there is no product {}", wanted.sku),
            ));
        };
        let unit_price = unit_price(product).ok_or_else(|| {
            Problem::undecided(format!("the price of {} cannot be read", wanted.sku))
        })?;
        let cost = unit_price.checked_mul(wanted.quantity.get());
        if total.is_some_and(|total| total.currency != unit_price.currency) {
            return Err(Problem::field(
                "items",
                "are priced in different currencies",
            ));
        }
        let sum = match total {
            None => cost,
            Some(total) => cost.and_then(|cost| total.checked_add(cost)),
        };
        let Some(sum) = sum else {
            let most = Money {
                amount: Money::MAX,
                ..unit_price
            };
            return Err(Problem::field("items", format!("cost more than {most}")));
        };
        total = Some(sum);
        lines.push(Line {
            sku: wanted.sku.clone(),
            quantity: wanted.quantity,
            unit_price: Some(unit_price),
        });
    }
    let lines =
        Lines::try_from(lines).map_err(|error| Problem::field("items", error.to_string()))?;
    let total = total.ok_or_else(|| Problem::field("items", "must name at least one item"))?;
    Ok((lines, total))
}

fn unit_price(product: &Item) -> Option<Money> {
    let amount = product.get("price").and_then(Value::as_i64)?;
    let currency: Currency = product.get("currency")?.as_str()?.parse().ok()?;
    let amount = u64::try_from(amount)
        .ok()
        .filter(|amount| *amount <= Money::MAX)?;
    Some(Money { amount, currency })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn wanted(sku: &str, quantity: u32, position: usize) -> Wanted {
        Wanted {
            sku: sku.parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            position,
        }
    }

    fn product(price: i64, currency: &str) -> Item {
        Item::from([
            ("price".to_owned(), price.into()),
            ("currency".to_owned(), currency.into()),
        ])
    }

    #[test]
    fn the_total_is_the_sum_of_the_shops_prices() {
        let wanted = [wanted("chair", 2, 0), wanted("lamp", 1, 1)];
        let (lines, total) = price(
            &wanted,
            &[Some(product(4999, "EUR")), Some(product(1, "EUR"))],
        )
        .unwrap();
        assert_eq!(total.amount, 9999);
        let prices: Vec<_> = lines
            .iter()
            .map(|line| line.unit_price.unwrap().amount)
            .collect();
        assert_eq!(prices, [4999, 1]);
    }

    #[test]
    fn what_cannot_be_priced_is_refused_by_name() {
        let field = |wanted: &[Wanted], products: &[Option<Item>]| {
            price(wanted, products).unwrap_err().field.unwrap()
        };
        let two = [wanted("chair", 1, 1), wanted("lamp", 1, 0)];
        assert_eq!(
            field(&two, &[Some(product(1, "EUR")), None]),
            "items[0].sku"
        );
        assert_eq!(
            field(&two, &[Some(product(1, "EUR")), Some(product(1, "USD"))]),
            "items"
        );
        let most = i64::try_from(Money::MAX).unwrap();
        assert_eq!(
            field(&two, &[Some(product(most, "EUR")), Some(product(1, "EUR"))]),
            "items"
        );
        let many = [wanted("chair", u32::MAX, 0)];
        assert_eq!(field(&many, &[Some(product(most, "EUR"))]), "items");
    }

    #[test]
    fn a_price_that_cannot_be_read_is_the_shops_fault() {
        for product in [product(-1, "EUR"), product(1, "euro"), Item::new()] {
            assert_eq!(
                price(&[wanted("chair", 1, 0)], &[Some(product)])
                    .unwrap_err()
                    .status(),
                503
            );
        }
    }
}
