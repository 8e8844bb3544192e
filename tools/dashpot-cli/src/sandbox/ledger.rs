//! All payments, and what may be done with each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::behaviour::Operation;
use super::cards::Card;
use super::fields::Fields;
use super::intent::{Intent, Status, now_ms};
use super::provider::{Answer, Call};
use super::refusal::{self, Refusal};

/// Stripe takes amounts of up to eight digits. Its least amount differs by currency; the sandbox has none.
const AMOUNT_LIMIT: u64 = 99_999_999;

/// All payments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, Intent>);

impl Ledger {
    pub(super) fn get(&self, id: &str) -> Option<&Intent> {
        self.0.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Intent> {
        self.0.get_mut(id)
    }

    pub(super) fn show(&self) -> Value {
        self.0.values().map(Intent::to_ledger).collect()
    }

    /// Does what is asked.
    pub(super) fn act(&mut self, call: &Call) -> Answer {
        let fields = &call.fields;
        let id = call.intent.as_deref().unwrap_or_default();
        let done = match call.operation {
            Operation::Create => self.create(fields),
            Operation::Capture => self.capture(id, fields),
            Operation::Cancel => self.cancel(id, fields),
            Operation::Refund => self.refund(fields),
            Operation::Retrieve => self.retrieve(id, fields),
            Operation::Search => self.search(fields),
        };
        done.unwrap_or_else(Answer::from)
    }

    fn create(&mut self, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&[
            "amount",
            "capture_method",
            "confirm",
            "currency",
            "error_on_requires_action",
            "expand",
            "metadata",
            "payment_method",
            "payment_method_types",
        ])?;
        let with_charge = fields.expands("latest_charge")?;
        let amount = fields
            .integer("amount")?
            .ok_or_else(|| refusal::missing_field("amount"))?;
        if amount > AMOUNT_LIMIT {
            return Err(refusal::amount_too_large(AMOUNT_LIMIT));
        }
        let currency = fields.required("currency")?;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(refusal::no_currency(currency));
        }
        for (name, value) in [("capture_method", "manual"), ("confirm", "true")] {
            if fields.get(name) != Some(value) {
                return Err(refusal::only(name, value));
            }
        }
        let payment_method = fields.required("payment_method")?;
        let card =
            Card::of(payment_method).ok_or_else(|| refusal::no_payment_method(payment_method))?;
        let metadata = fields.map("metadata");
        let metadata = metadata
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let mut intent = Intent::new(amount, currency, payment_method, card, metadata);
        let answer = if let Card::Declined(decline) = card {
            Err(refusal::declined(decline, &intent))
        } else {
            intent.status = Status::RequiresCapture;
            Ok(Answer::about(&intent, intent.to_stripe(with_charge)))
        };
        self.0.insert(intent.id.clone(), intent);
        answer
    }

    fn capture(&mut self, id: &str, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&["expand"])?;
        let with_charge = fields.expands("latest_charge")?;
        let intent = self.named(id)?;
        if intent.status != Status::RequiresCapture {
            return Err(refusal::unexpected_state(
                "captured",
                "requires_capture",
                intent,
            ));
        }
        if let Card::CaptureRefused(decline) = intent.card {
            intent.status = Status::RequiresPaymentMethod;
            return Err(refusal::declined(decline, intent));
        }
        intent.status = Status::Succeeded;
        intent.amount_received = intent.amount;
        Ok(Answer::about(intent, intent.to_stripe(with_charge)))
    }

    fn cancel(&mut self, id: &str, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&["expand"])?;
        let with_charge = fields.expands("latest_charge")?;
        let intent = self.named(id)?;
        if !matches!(
            intent.status,
            Status::RequiresCapture | Status::RequiresPaymentMethod
        ) {
            let allowed = "requires_payment_method, requires_capture, requires_reauthorization, \
                           requires_confirmation, requires_action, processing";
            return Err(refusal::unexpected_state("canceled", allowed, intent));
        }
        intent.status = Status::Canceled;
        Ok(Answer::about(intent, intent.to_stripe(with_charge)))
    }

    fn refund(&mut self, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&["amount", "payment_intent"])?;
        let asked = fields.integer("amount")?;
        let id = fields.required("payment_intent")?;
        let intent = self
            .0
            .get_mut(id)
            .ok_or_else(|| refusal::no_intent(400, "payment_intent", id))?;
        let left = intent.amount_received - intent.amount_refunded;
        let amount = asked.unwrap_or(left);
        if intent.amount_received == 0 {
            return Err(refusal::nothing_captured(intent));
        }
        if left == 0 {
            return Err(refusal::already_refunded(intent));
        }
        if amount > left {
            return Err(refusal::more_than_captured(amount, left, intent));
        }
        intent.amount_refunded += amount;
        let refund = json!({
            "id": format!("re_{}", Uuid::now_v7().simple()),
            "object": "refund",
            "amount": amount,
            "charge": intent.charge_id(),
            "created": now_ms() / 1000,
            "currency": intent.currency,
            "metadata": {},
            "payment_intent": intent.id,
            "reason": null,
            "status": "succeeded",
        });
        Ok(Answer::about(intent, refund))
    }

    fn retrieve(&mut self, id: &str, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&["expand"])?;
        let with_charge = fields.expands("latest_charge")?;
        let intent = self.named(id)?;
        Ok(Answer::about(intent, intent.to_stripe(with_charge)))
    }

    fn search(&self, fields: &Fields) -> Result<Answer, Refusal> {
        fields.only(&["expand", "query"])?;
        let with_charge = fields.expands("data.latest_charge")?;
        let query = fields.required("query")?;
        let order_id = order_id_in(query).ok_or_else(|| refusal::no_query(query))?;
        let found = self
            .0
            .values()
            .filter(|intent| intent.order_id() == Some(order_id));
        let (ids, data): (Vec<_>, Vec<_>) = found
            .map(|intent| (intent.id.clone(), intent.to_stripe(with_charge)))
            .unzip();
        let body = json!({
            "object": "search_result",
            "data": data,
            "has_more": false,
            "next_page": null,
            "url": "/v1/payment_intents/search",
        });
        Ok(Answer::of(ids, body))
    }

    fn named(&mut self, id: &str) -> Result<&mut Intent, Refusal> {
        self.0
            .get_mut(id)
            .ok_or_else(|| refusal::no_intent(404, "intent", id))
    }
}

/// The order that a search is for: `metadata['order_id']:'…'`, in quotes of either kind.
pub(super) fn order_id_in(query: &str) -> Option<&str> {
    let value = ["metadata['order_id']:", "metadata[\"order_id\"]:"]
        .iter()
        .find_map(|field| query.trim().strip_prefix(field))?;
    ['\'', '"']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
}
