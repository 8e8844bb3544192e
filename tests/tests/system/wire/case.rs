//! What a function is asked for, and what has to be there for it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dashpot::{Row, Store, Write};
use dashpot_testing::Settings;
use payment_gateway::{Amount, Authorisation, Gateway, SecretKey, Stripe};
use serde_json::{Value, json};
use system_tests::real::Place;

use super::{attempt, replies};
use crate::world::World;

/// The function's timeout, and the visibility timeout of its queue: short, for every death waits for it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// One good event, or one of the other ways in which a function calls somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// checkout: a request to order.
    Ordered,
    /// sweeper: a hold whose customer never came back.
    Abandoned,
    /// sweeper: an attempt that never got as far as a hold.
    Unheld,
    /// inventory: there is enough.
    Reserved,
    /// inventory: there is not.
    Short,
    /// inventory: nobody can read it.
    Malformed,
    /// payments: a hold that is captured.
    Captured,
    /// warehouse: a pick list is made.
    Picked,
    /// warehouse: an open one is withdrawn.
    Withdrawn,
    /// email: a letter.
    Written,
    /// analytics: an event is counted and archived.
    Counted,
    /// journal: an event is filed.
    Filed,
    /// listing: an order's row is made.
    Listed,
    /// deadlines: an order is watched from now on.
    Watched,
    /// invoices: one is written.
    Invoiced,
    /// quotes: a question is answered.
    Quoted,
    /// relay: an event for the topic.
    Published,
    /// relay: a row that no topic takes.
    Unpublishable,
}

/// How a function is asked, and asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a queue: until the message is deleted.
    Queue,
    /// By a stream, which repeats its batch until there is an answer.
    Stream,
    /// By a customer, who repeats the request until the order is taken.
    Request,
    /// By a schedule, for ever: here until its work is done.
    Schedule,
}

impl Case {
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Ordered => "checkout",
            Self::Abandoned | Self::Unheld => "sweeper",
            Self::Reserved | Self::Short | Self::Malformed => "inventory",
            Self::Captured => "payments",
            Self::Picked | Self::Withdrawn => "warehouse",
            Self::Written => "email",
            Self::Counted => "analytics",
            Self::Filed => "journal",
            Self::Listed => "listing",
            Self::Watched => "deadlines",
            Self::Invoiced => "invoices",
            Self::Quoted => "quotes",
            Self::Published | Self::Unpublishable => "relay",
        }
    }

    pub(super) fn way(self) -> Way {
        match self.function() {
            "checkout" => Way::Request,
            "sweeper" => Way::Schedule,
            "relay" => Way::Stream,
            _ => Way::Queue,
        }
    }

    /// The event's type and version.
    fn event(self) -> (&'static str, u32) {
        match self {
            Self::Captured | Self::Picked => ("stock.reserved", 1),
            Self::Withdrawn => ("order.cancellation_requested", 1),
            Self::Invoiced => ("invoice.write", 1),
            Self::Quoted => ("quote.requested", 1),
            _ => ("order.placed", 2),
        }
    }

    /// Where all runs take place.
    pub(super) async fn place(self, world: &World) -> Result<Place> {
        let name = format!("wire-{self:?}").to_lowercase();
        Place::make(world.shop.target().config(), &name, TIMEOUT).await
    }

    /// What one run has for itself: queues, and where a function works on whatever is due, a table.
    pub(super) async fn place_of(self, all: &Place, order: &str, world: &World) -> Result<Place> {
        if self.way() == Way::Schedule {
            return Place::make(world.shop.target().config(), order, TIMEOUT).await;
        }
        all.beside(order).await
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
    ) -> Result<Settings> {
        let topic = topic(order);
        let bucket = world.shop.target().resources().id("AnalyticsBucket")?;
        let mut settings = Settings::default().timeout(TIMEOUT).memory(512);
        settings.env = world.stack.environment();
        settings.env.extend(place.variables());
        let more = [
            ("ABANDON_AFTER_SECONDS", "86400"),
            ("AWS_ENDPOINT_URL", aws),
            ("BUCKET_NAME", bucket),
            ("HOLD_BOUND_SECONDS", "900"),
            ("LATE_AFTER_SECONDS", "900"),
            ("PAYMENT_BASE_URL", provider),
            ("PAYMENT_KEY_SECRET", "dashpot/payment-key"),
            ("PAYMENT_TIMEOUT_MS", "1500"),
            ("PRICES_TABLE_NAME", place.table.as_str()),
            ("REPLY_PREFIX", replies::PREFIX),
            ("RETRY_BASE_SECONDS", "1"),
            ("RETRY_CAP_SECONDS", "1"),
            ("SELLER", "Dashpot"),
            ("SENDER_ADDRESS", "shop@example.com"),
            ("TAX_PERCENT", "19"),
            ("TOPIC_ARN", &topic),
            ("SCHEDULE_GROUP", "g"),
            ("SCHEDULE_ROLE_ARN", "arn:r"),
            ("SCHEDULED_QUEUES", "deadlines=arn:q"),
            ("SCHEDULE_DEAD_LETTERS_ARN", "arn:d"),
        ];
        for (name, value) in more {
            settings = settings.env(name, value);
        }
        Ok(settings)
    }

    /// What has to be there, and the event.
    pub(super) async fn prepare(
        self,
        place: &Place,
        order: &str,
        number: usize,
        world: &World,
    ) -> Result<String> {
        let mut payload = json!({
            "orderId": order, "userId": order, "total": { "amount": 2500, "currency": "EUR" },
            "customer": { "email": format!("{order}@example.com") },
            "items": [{ "sku": order, "quantity": 2 }],
        });
        match self {
            Self::Ordered => {
                attempt::offer(place, order, world).await?;
                return Ok(attempt::request(order).to_string());
            }
            Self::Abandoned | Self::Unheld => {
                attempt::leave(place, order, world).await?;
                if self == Self::Abandoned {
                    hold(world, order).await?;
                }
                return Ok("{}".to_owned());
            }
            Self::Reserved => {
                place
                    .put(&format!("stock#{order}"), "available", 10)
                    .await?;
            }
            Self::Short => place.put(&format!("stock#{order}"), "available", 1).await?,
            Self::Malformed => payload["items"][0]["quantity"] = json!(-1),
            Self::Captured => payload["paymentIntentId"] = json!(hold(world, order).await?),
            Self::Withdrawn => {
                let list = serde_json::from_value(payload.clone())?;
                let open = warehouse::pick_list::open(&list, "c", 1);
                let open = open.map_err(|failure| anyhow!("{failure}"))?;
                create(place, open, world).await?;
            }
            Self::Published => publish_to(place, order, world).await?,
            Self::Invoiced => payload["capturedAt"] = json!(moment(number)),
            Self::Quoted => {
                attempt::offer(place, order, world).await?;
                let question = json!({ "userId": order, "items": payload["items"].take() });
                payload = json!({
                    "replyTo": replies::open(order, world).await?, "deadline": u64::MAX, "question": question,
                });
            }
            Self::Picked
            | Self::Written
            | Self::Counted
            | Self::Filed
            | Self::Listed
            | Self::Watched
            | Self::Unpublishable => {}
        }
        let (event, version) = self.event();
        let body = json!({
            "type": event, "payload": payload,
            "metadata": {
                "id": format!("event-{order}"), "timestamp": moment(number), "correlationId": "c", "version": version,
            },
        });
        Ok(match self.way() {
            Way::Stream => self.record(order, &body.to_string()).to_string(),
            _ => body.to_string(),
        })
    }

    /// A stream's batch with the row that says it.
    fn record(self, order: &str, body: &str) -> Value {
        let (event, version) = self.event();
        let mut row = json!({
            "type": { "S": event }, "version": { "N": version.to_string() }, "group": { "S": order },
            "correlationId": { "S": "c" }, "body": { "S": body },
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
        json!({ "Records": [record] })
    }
}

/// When the event of a run was said: a day of its own, for what is added up by day.
pub(super) fn moment(number: usize) -> u64 {
    24 * 60 * 60 * 1000 * number as u64
}

/// Puts a row that is not there yet.
pub(super) async fn create(place: &Place, row: Row, world: &World) -> Result<()> {
    let store = place.store(world.shop.target().config());
    Ok(store.commit(&[Write::create(row)]).await?)
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
