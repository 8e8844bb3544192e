//! What the tests share: one running shop, and shorthands to act and to look.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sns::types::MessageAttributeValue;
use dashpot_cli::commands;
use dashpot_cli::shop::{Answer, Payment, Shop, until};
use dashpot_cli::stack::Stack;
use serde_json::Value;
use shop_events::{Currency, Money};

/// How long anything may take on a busy machine: a consumer that one test kills brings the messages of others back
/// after half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A running shop.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) shop: Shop,
    /// A look at a dead-letter queue hides its messages from another look: one at a time.
    looking: tokio::sync::Mutex<()>,
}

impl World {
    pub(crate) fn of(stack: Stack) -> Result<Self> {
        let shop = Shop::of(stack.target())?;
        Ok(Self {
            stack,
            shop,
            looking: tokio::sync::Mutex::default(),
        })
    }

    /// Puts a product in, at 12.50 EUR.
    pub(crate) async fn stock(&self, sku: &str, stock: u32) -> Result<()> {
        let price = Money {
            amount: 1250,
            currency: Currency::EUR,
        };
        commands::products::put(self.shop.target(), sku, price, stock).await
    }

    /// Places an order with a card that works, which must be taken.
    pub(crate) async fn ordered(&self, user: &str, items: &[(&str, u32)]) -> Result<String> {
        self.ordered_with(user, items, "pm_card_visa").await
    }

    /// Places an order with a card of a kind, which must be taken.
    pub(crate) async fn ordered_with(
        &self,
        user: &str,
        items: &[(&str, u32)],
        card: &str,
    ) -> Result<String> {
        let answer = self.place(user, user, items, card).await?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
        answer.order_id()
    }

    pub(crate) async fn place(
        &self,
        key: &str,
        user: &str,
        items: &[(&str, u32)],
        card: &str,
    ) -> Result<Answer> {
        self.shop.place(key, &Shop::order(user, items, card)).await
    }

    /// Waits until the order is in a state.
    pub(crate) async fn reaches(&self, order: &str, state: &str) -> Result<()> {
        let what = format!("{order} is {state}");
        until(&what, PATIENCE, async || {
            let now = self.shop.state(order).await?;
            Ok((now.as_deref() == Some(state)).then_some(()))
        })
        .await
    }

    /// The one payment of an order.
    pub(crate) async fn payment(&self, order: &str) -> Result<Payment> {
        let payments = self.shop.payments(order).await?;
        ensure!(
            payments.len() == 1,
            "{} payments of {order}",
            payments.len()
        );
        payments.into_iter().next().context("no payment")
    }

    /// The subjects of the letters to a customer.
    pub(crate) async fn letters(&self, user: &str) -> Result<Vec<String>> {
        let address = format!("{user}@example.com");
        let letters = self.stack.letters().await?.into_iter();
        let theirs = letters.filter(|letter| letter.to.contains(&address));
        Ok(theirs.map(|letter| letter.subject).collect())
    }

    /// Waits until a customer has so many letters, and sees that no two of them are the same.
    pub(crate) async fn letters_reach(&self, user: &str, count: usize) -> Result<()> {
        let what = format!("{count} letters to {user}");
        let mut letters = until(&what, PATIENCE, async || {
            let letters = self.letters(user).await?;
            Ok((letters.len() >= count).then_some(letters))
        })
        .await?;
        letters.sort();
        letters.dedup();
        ensure!(letters.len() == count, "{letters:?}");
        Ok(())
    }

    /// The dead letters of a service in whose body a text occurs.
    pub(crate) async fn dead_letters(&self, service: &str, text: &str) -> Result<Vec<Value>> {
        let _alone = self.looking.lock().await;
        let mut letters = commands::dlq::look(self.shop.target(), service).await?;
        letters.retain(|letter| {
            letter["body"]
                .as_str()
                .is_some_and(|body| body.contains(text))
        });
        Ok(letters)
    }

    /// Publishes to the topic, as another producer might.
    pub(crate) async fn publish(&self, event_type: &str, body: &str) -> Result<()> {
        let target = self.shop.target();
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(event_type)
            .build()?;
        aws_sdk_sns::Client::new(target.config())
            .publish()
            .topic_arn(target.topic_arn())
            .message(body)
            .message_attributes("type", attribute)
            .send()
            .await?;
        Ok(())
    }

    /// Invokes a function, which must answer without an error.
    pub(crate) async fn invoke(&self, service: &str, event: &str) -> Result<Value> {
        let functions = self.shop.target().resources().functions();
        let answer = aws_sdk_lambda::Client::new(self.shop.target().config())
            .invoke()
            .function_name(functions.get(service).context("no such function")?)
            .payload(Blob::new(event))
            .send()
            .await?;
        let payload = answer.payload.unwrap_or_else(|| Blob::new(""));
        let payload = String::from_utf8_lossy(payload.as_ref()).into_owned();
        ensure!(
            answer.function_error.is_none(),
            "{service} failed: {payload}"
        );
        Ok(serde_json::from_str(&payload)?)
    }
}
