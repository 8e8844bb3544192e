//! What a function is asked for, and what must have come of it in the end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dashpot_testing::Settings;
use payment_gateway::{Amount, Authorisation, Gateway, SecretKey, Stripe};
use serde_json::{Value, json};
use system_tests::real::{Place, attribute};

use super::run::Story;
use crate::world::World;

/// The function's timeout, and the visibility timeout of its queue: short, for every death waits for it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// One good event, or one of the other ways in which a function calls somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// inventory: there is enough.
    Reserved,
    /// inventory: there is not.
    Short,
    /// inventory: nobody can read it.
    Malformed,
    /// payments: a hold that is captured.
    Captured,
    /// email: a letter.
    Written,
    /// relay: an event for the topic.
    Published,
    /// relay: a row that no topic takes.
    Unpublishable,
}

impl Case {
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Reserved | Self::Short | Self::Malformed => "inventory",
            Self::Captured => "payments",
            Self::Written => "email",
            Self::Published | Self::Unpublishable => "relay",
        }
    }

    /// A stream repeats its batch; a queue, its message.
    pub(super) fn is_of_a_stream(self) -> bool {
        self.function() == "relay"
    }

    pub(super) async fn place(self, world: &World) -> Result<Place> {
        let name = format!("wire-{self:?}").to_lowercase();
        Place::make(world.shop.target().config(), &name, TIMEOUT).await
    }

    /// Where the function's binary lies: beside the tests' folder.
    pub(super) fn binary(self) -> Result<PathBuf> {
        let tests = std::env::current_exe()?;
        let folder = tests.parent().context("no folder")?;
        Ok(folder.with_file_name(self.function()))
    }

    pub(super) fn settings(
        place: &Place,
        aws: &str,
        provider: &str,
        order: &str,
        world: &World,
    ) -> Settings {
        let topic = topic(order);
        let mut settings = Settings::default().timeout(TIMEOUT).memory(512);
        settings.env = world.stack.environment();
        settings.env.extend(place.variables());
        let more = [
            ("AWS_ENDPOINT_URL", aws),
            ("PAYMENT_BASE_URL", provider),
            ("PAYMENT_KEY_SECRET", "dashpot/payment-key"),
            ("PAYMENT_TIMEOUT_MS", "1500"),
            ("RETRY_BASE_SECONDS", "1"),
            ("RETRY_CAP_SECONDS", "1"),
            ("SENDER_ADDRESS", "shop@example.com"),
            ("TOPIC_ARN", &topic),
        ];
        for (name, value) in more {
            settings = settings.env(name, value);
        }
        settings
    }

    /// What has to be there, and the event.
    pub(super) async fn prepare(self, place: &Place, order: &str, world: &World) -> Result<String> {
        let mut payload = json!({
            "orderId": order, "userId": order, "total": { "amount": 2500, "currency": "EUR" },
            "customer": { "email": format!("{order}@example.com") },
            "items": [{ "sku": order, "quantity": 2 }],
        });
        match self {
            Self::Reserved => {
                place
                    .put(&format!("stock#{order}"), "available", 10)
                    .await?;
            }
            Self::Short => place.put(&format!("stock#{order}"), "available", 1).await?,
            Self::Malformed => payload["items"][0]["quantity"] = json!(-1),
            Self::Captured => payload["paymentIntentId"] = json!(hold(world, order).await?),
            Self::Published => publish_to(place, order, world).await?,
            Self::Written | Self::Unpublishable => {}
        }
        let event = if self == Self::Captured {
            "stock.reserved"
        } else {
            "order.placed"
        };
        let version = if self == Self::Captured { 1 } else { 2 };
        let body = json!({
            "type": event, "payload": payload,
            "metadata": { "id": format!("event-{order}"), "timestamp": 1, "correlationId": "c", "version": version },
        });
        if !self.is_of_a_stream() {
            return Ok(body.to_string());
        }
        let mut row = json!({
            "type": { "S": event }, "version": { "N": "2" }, "group": { "S": order },
            "correlationId": { "S": "c" }, "body": { "S": body.to_string() },
        });
        if self == Self::Unpublishable {
            row["body"].take();
        }
        let record = json!({
            "eventID": order, "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1",
            "dynamodb": {
                "Keys": { "pk": { "S": "outbox#2026110209#1" }, "sk": { "S": format!("event-{order}") } },
                "NewImage": row,
            },
        });
        Ok(json!({ "Records": [record] }).to_string())
    }

    /// Holds what must hold once everything is settled.
    pub(super) async fn check(
        self,
        place: &Place,
        order: &str,
        story: &Story,
        world: &World,
    ) -> Result<()> {
        let dead = place.take_dead_letters().await?;
        let reasons: Vec<&Value> = dead.iter().map(|(_, note)| &note["reason"]).collect();
        let rows = place.rows("").await?;
        let row = |pk: String| rows.iter().find(|row| attribute(row, "pk") == pk);
        let said = |event: &str| {
            let name = format!("\"orderId\":\"{order}\"");
            let ours = |body: &str| body.contains(&name) && body.contains(event);
            rows.iter()
                .filter(|row| {
                    attribute(row, "pk").starts_with("outbox#") && ours(attribute(row, "body"))
                })
                .count()
        };
        let available = || row(format!("stock#{order}")).map(|row| attribute(row, "available"));
        if !matches!(self, Self::Malformed | Self::Unpublishable) {
            ensure!(dead.is_empty(), "it is a dead letter: {reasons:?}");
        }
        match self {
            Self::Reserved | Self::Short => {
                let (state, left, event) = match self {
                    Self::Reserved => ("reserved", "8", "stock.reserved"),
                    _ => ("rejected", "1", "stock.rejected"),
                };
                let reservation = row(format!("reservation#{order}")).context("no reservation")?;
                ensure!(attribute(reservation, "state") == state, "{reservation:?}");
                ensure!(available() == Some(left), "{:?} are left", available());
                ensure!(said(event) == 1, "{event} was said {} times", said(event));
            }
            Self::Malformed => {
                // Sent before it is deleted, so there may be more.
                ensure!(
                    !dead.is_empty() && reasons.iter().all(|reason| **reason == "malformed"),
                    "{reasons:?}"
                );
                ensure!(
                    dead.len() <= 1 + story.repeats(),
                    "{} dead letters",
                    dead.len()
                );
            }
            Self::Captured => {
                let payment = world.payment(order).await?;
                ensure!(
                    payment.amount_received == payment.amount && payment.acted("capture") == 1,
                    "{payment:?}"
                );
                let state = row(format!("payment#{order}")).context("no payment")?;
                let entries = rows.iter().filter(|row| {
                    attribute(row, "pk") == format!("payment#{order}")
                        && attribute(row, "sk").starts_with("entry#")
                        && attribute(row, "kind") == "captured"
                });
                ensure!(
                    entries.count() == 1 && said("payment.captured") == 1,
                    "{state:?}"
                );
            }
            Self::Written => {
                ensure!(!story.is_repeated("ses"), "the client sent a letter again");
                let letters = world.letters(order).await?.len();
                ensure!(
                    (1..=1 + story.repeats()).contains(&letters),
                    "{letters} letters"
                );
            }
            Self::Published => {
                let mut published = 0;
                loop {
                    match place.receive().await?.len() {
                        0 => break,
                        more => published += more,
                    }
                }
                ensure!(
                    (1..=1 + story.repeats()).contains(&published),
                    "published {published} times"
                );
            }
            Self::Unpublishable => {
                ensure!(
                    !dead.is_empty() && dead.len() <= 1 + story.repeats(),
                    "{} dead letters",
                    dead.len()
                );
            }
        }
        Ok(())
    }
}

fn topic(order: &str) -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{order}")
}

/// A topic of one's own, whose only subscriber is the queue.
async fn publish_to(place: &Place, order: &str, world: &World) -> Result<()> {
    let sns = aws_sdk_sns::Client::new(world.shop.target().config());
    sns.create_topic().name(order).send().await?;
    let subscribing = sns
        .subscribe()
        .topic_arn(topic(order))
        .protocol("sqs")
        .endpoint(place.queue_arn());
    subscribing
        .attributes("RawMessageDelivery", "true")
        .send()
        .await?;
    Ok(())
}

/// A hold on a card, as checkout makes it; its intent's id.
async fn hold(world: &World, order: &str) -> Result<String> {
    let key = SecretKey::parse("sk_test_dashpot")?;
    let provider = Stripe::new(
        &world.stack.sandbox_url().parse()?,
        &key,
        Duration::from_secs(10),
    )?;
    let authorisation = Authorisation {
        order_id: payment_gateway::OrderId::parse(order)?,
        amount: Amount {
            minor_units: 2500,
            currency: payment_gateway::Currency::parse("eur")?,
        },
        payment_method: payment_gateway::PaymentMethodId::parse("pm_card_visa")?,
        round: 0,
    };
    Ok(provider.authorise(&authorisation).await?.id.to_string())
}
