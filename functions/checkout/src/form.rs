//! What the customer asks for: a valid form, or the name of the field that is not.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use dashpot::Personal;
use payment_gateway::PaymentMethodId;
use serde::{Deserialize, Serialize};
use shop_events::{Address, Lines, Sku, UserId};

use crate::attempt::sha256;
use crate::problem::Problem;

/// An order form without prices: those are the shop's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// The customer's address.
    pub email: Personal<String>,
    /// What is wanted, each sku once, ordered by sku.
    pub items: Vec<Wanted>,
    /// The provider's token for the customer's card.
    pub payment_method: PaymentMethodId,
}

/// So many of one sku.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What.
    pub sku: Sku,
    /// How many, over all items of that sku.
    pub quantity: NonZeroU32,
    /// Where it first stood in `items`, to name it in a refusal.
    pub position: usize,
}

/// Everything may be missing here, so that what is missing can be named.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    user_id: Option<UserId>,
    email: Option<String>,
    items: Option<Vec<Item>>,
    payment_method: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    sku: Option<Sku>,
    quantity: Option<NonZeroU32>,
}

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// A [`Problem`] that names the field.
    pub fn read(body: &[u8]) -> Result<Self, Problem> {
        let body: Body = strict_json::from_slice(body)?;
        Ok(Self {
            user_id: given(body.user_id, "userId")?,
            email: email(given(body.email, "email")?)?,
            items: merge(given(body.items, "items")?)?,
            payment_method: PaymentMethodId::parse(given(body.payment_method, "paymentMethod")?)
                .map_err(|error| Problem::field("paymentMethod", error.to_string()))?,
        })
    }

    /// Tells this form from any other: two bodies that ask for the same are the same, however they are
    /// written.
    #[must_use]
    pub fn digest(&self) -> String {
        #[derive(Serialize)]
        struct Canonical<'a> {
            user: &'a str,
            email: &'a str,
            items: Vec<(&'a str, u32)>,
            payment_method: &'a str,
        }
        let canonical = Canonical {
            user: self.user_id.as_str(),
            email: self.email.expose(),
            items: self
                .items
                .iter()
                .map(|wanted| (wanted.sku.as_str(), wanted.quantity.get()))
                .collect(),
            payment_method: self.payment_method.as_str(),
        };
        // Strings and numbers: nothing that serde_json could refuse.
        sha256(&serde_json::to_vec(&canonical).unwrap_or_default())
    }
}

fn given<T>(value: Option<T>, field: &str) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::field(field, "is required"))
}

/// What no letter could be sent to is refused here, where the customer can put it right.
fn email(text: String) -> Result<Personal<String>, Problem> {
    let email = Personal::new(text);
    Address::parse(&email)
        .map_err(|_| Problem::field("email", "must be a plain address like ada@example.com"))?;
    Ok(email)
}

fn merge(items: Vec<Item>) -> Result<Vec<Wanted>, Problem> {
    let mut merged: BTreeMap<Sku, Wanted> = BTreeMap::new();
    for (position, item) in items.into_iter().enumerate() {
        let sku = given(item.sku, &format!("items[{position}].sku"))?;
        let field = format!("items[{position}].quantity");
        let quantity = given(item.quantity, &field)?;
        if let Some(same) = merged.get_mut(&sku) {
            same.quantity = same.quantity.checked_add(quantity.get()).ok_or_else(|| {
                Problem::field(field, format!("is more of {sku} than can be counted"))
            })?;
        } else {
            let wanted = Wanted {
                sku: sku.clone(),
                quantity,
                position,
            };
            merged.insert(sku, wanted);
        }
    }
    match merged.len() {
        0 => Err(Problem::field("items", "must name at least one item")),
        lines if lines > Lines::MAX => {
            let detail = format!("an order has at most {} lines, not {lines}", Lines::MAX);
            Err(Problem::field("items", detail))
        }
        _ => Ok(merged.into_values().collect()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        json!({
            "userId": "user_456",
            "email": "ada@example.com",
            "items": [{"sku": "chair", "quantity": 2}],
            "paymentMethod": "pm_card_visa",
        })
    }

    fn read(body: &Value) -> Result<Form, Problem> {
        Form::read(body.to_string().as_bytes())
    }

    fn refused_field(change: impl Fn(&mut Value)) -> String {
        let mut body = body();
        change(&mut body);
        let problem = read(&body).unwrap_err();
        assert_eq!(problem.status(), 400);
        problem.field.unwrap()
    }

    #[test]
    fn equal_skus_are_merged_and_unknown_fields_do_not_matter() {
        let mut more = body();
        more["items"] = json!([
            {"sku": "lamp", "quantity": 1, "colour": "red"},
            {"sku": "chair", "quantity": 2},
            {"sku": "lamp", "quantity": 3},
        ]);
        more["coupon"] = json!("none");
        let form = read(&more).unwrap();
        let items: Vec<_> = form
            .items
            .iter()
            .map(|item| (item.sku.as_str(), item.quantity.get(), item.position))
            .collect();
        assert_eq!(items, [("chair", 2, 1), ("lamp", 4, 0)]);
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_field() {
        for quantity in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("2"),
            json!(4_294_967_296_u64),
            json!(null),
        ] {
            let field = refused_field(|body| body["items"][0]["quantity"] = quantity.clone());
            assert_eq!(field, "items[0].quantity", "{quantity}");
        }
        for (field, value) in [
            ("userId", json!("a#b")),
            ("userId", json!("")),
            ("userId", json!(7)),
            ("items", json!([])),
            ("items", json!("chair")),
            ("paymentMethod", json!("pm card")),
            ("paymentMethod", json!("4242424242424242")),
            ("paymentMethod", json!({})),
        ] {
            assert_eq!(refused_field(|body| body[field] = value.clone()), field);
        }
        assert_eq!(
            refused_field(|body| body["items"][0]["sku"] = json!("a#b")),
            "items[0].sku"
        );
    }

    #[test]
    fn a_missing_field_is_named_as_well() {
        for field in ["userId", "email", "items", "paymentMethod"] {
            let refused = refused_field(|body| drop(body.as_object_mut().unwrap().remove(field)));
            assert_eq!(refused, field);
        }
    }

    #[test]
    fn an_address_that_could_be_something_else_is_refused() {
        let long = format!("{}@example.com", "x".repeat(250));
        for email in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a@.com",
            "a@b..com",
            "ada @example.com",
            "ada@example.com\r\nBcc: all@example.com",
            "a@example.com,b@example.com",
            "<ada@example.com>",
            "ada@localhost",
            "adä@example.com",
            "ada\u{ffff}@example.com",
            &long,
        ] {
            assert_eq!(
                refused_field(|body| body["email"] = json!(email)),
                "email",
                "{email:?}"
            );
        }
    }

    #[test]
    fn ninety_lines_are_taken_and_one_more_is_not() {
        let items = |n: usize| -> Value {
            (0..n)
                .map(|n| json!({"sku": format!("sku-{n}"), "quantity": 1}))
                .collect()
        };
        let mut body = body();
        body["items"] = items(90);
        assert_eq!(read(&body).unwrap().items.len(), 90);
        assert_eq!(refused_field(|body| body["items"] = items(91)), "items");
        // Many items of one sku are one line, as long as they can be counted.
        body["items"] = vec![json!({"sku": "a", "quantity": 1}); 500].into();
        assert_eq!(read(&body).unwrap().items[0].quantity.get(), 500);
        let most = json!({"sku": "a", "quantity": u32::MAX});
        let field = refused_field(|body| body["items"] = json!([most, most]));
        assert_eq!(field, "items[1].quantity");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in [&b""[..], b"{", b"[]x", b"\xff", b"null", b"{} {}"] {
            let problem = Form::read(body).unwrap_err();
            assert_eq!(problem.status(), 400, "{body:?}");
        }
    }

    #[test]
    fn an_array_of_the_right_values_is_no_form_and_no_item() {
        let array = br#"["u1","a@x.de",[["chair",1]],"pm_card_visa"]"#;
        let problem = Form::read(array).unwrap_err();
        assert_eq!((problem.status(), problem.field), (400, None));
        let field = refused_field(|body| body["items"][0] = json!(["chair", 1]));
        assert_eq!(field, "items[0]");
    }

    #[test]
    fn a_refusal_says_what_is_wanted_and_where_and_not_what_was_found() {
        let mut body = body();
        body["items"][0]["quantity"] = json!("ada@example.com");
        let problem = read(&body).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("items[0].quantity"));
        assert_eq!(
            problem.detail,
            "expected a whole number above 0, at line 1 column 65"
        );
    }

    #[test]
    fn the_digest_tells_forms_apart_and_not_their_spelling() {
        let digest = |body: &Value| read(body).unwrap().digest();
        let spelt = r#"{ "paymentMethod":"pm_card_visa", "items":[{"quantity":1,"sku":"chair"},{"sku":"chair","quantity":1}],
            "email":"ada@example.com", "userId":"user_456", "note":"" }"#;
        assert_eq!(
            digest(&body()),
            Form::read(spelt.as_bytes()).unwrap().digest()
        );
        for (field, value) in [
            ("email", json!("bob@example.com")),
            ("items", json!([{"sku": "chair", "quantity": 3}])),
            ("paymentMethod", json!("pm_card_mastercard")),
        ] {
            let mut other = body();
            other[field] = value;
            assert_ne!(digest(&body()), digest(&other), "{field}");
        }
    }
}
