//! The scenes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shop_events::{Currency, Money, OrderId};

use super::tally::Tally;
use super::teller::Teller;
use crate::commands::quote::Asker;
use crate::shop::{Answer, Payment, Shop};
use crate::stack::Stack;
use crate::{commands, output};

/// A message that was being handled when its consumer died comes back after the queue's visibility
/// time-out, which is 30 s on the laptop.
const REDELIVERY: Duration = Duration::from_mins(1);

/// What the shop sells, with its price in cents and how many there are.
const PRODUCTS: [(&str, u64, u32); 2] = [("mug", 1250, 100), ("lamp", 4999, 1)];

struct Story<'a> {
    stack: &'a Stack,
    shop: Shop,
    tally: Tally,
}

pub(super) async fn tell(stack: &Stack) -> Result<()> {
    let mut story = Story {
        stack,
        shop: Shop::of(stack.target())?,
        tally: Tally::default(),
    };
    story.stock_up().await?;
    story.an_order().await?;
    let interrupted = story.a_consumer_dies().await?;
    story.the_same_request_twice().await?;
    story.paperwork().await?;
    story.short_of_stock().await?;
    let letter = story.one_bad_message().await?;
    story.an_outage().await?;
    story.a_change_of_mind().await?;
    story.fixed_and_replayed(&letter).await?;
    story.the_dead_consumers_work(&interrupted).await?;
    story.the_past().await?;
    story.the_reckoning().await
}

impl Story<'_> {
    async fn stock_up(&self) -> Result<()> {
        let scene = Teller::scene("The shop opens")?;
        for (sku, amount, stock) in PRODUCTS {
            let price = Money {
                amount,
                currency: Currency::EUR,
            };
            commands::products::put(self.shop.target(), sku, price, stock).await?;
            let there = self.shop.available(sku).await?;
            scene.saw(&format!("{there} × {sku} at {price}"))?;
        }
        Ok(())
    }

    async fn an_order(&mut self) -> Result<()> {
        let scene = Teller::scene("A customer orders two mugs; every service does its part")?;
        let answer = self.place("key-ada-1", "ada", &[("mug", 2)]).await?;
        let order = answer.order_id()?;
        scene.saw(&format!(
            "POST /orders answered {} in {} ms: order {order}, {}",
            answer.status,
            answer.took.as_millis(),
            output::money(&answer.body["total"])
        ))?;
        let shop = &self.shop;
        scene
            .wait("inventory has reserved the mugs: 98 left", async || {
                Ok((shop.available("mug").await? == 98).then_some(()))
            })
            .await?;
        let (captured, listed, sent, counted, confirmed) = (
            scene.wait(
                "payments has captured 25.00 EUR, by the provider's own ledger",
                async || {
                    let payments = shop.payments(&order).await?;
                    Ok(only(&payments)?
                        .filter(|payment| payment.amount_received == 2500)
                        .map(drop))
                },
            ),
            scene.wait("warehouse has an open pick list", async || {
                let row = shop
                    .row("warehouse", &format!("pick_list#{order}"), "-")
                    .await?;
                Ok(row.filter(|row| row["state"] == "open").map(drop))
            }),
            scene.wait(
                "email has sent two letters: thanks, and being picked",
                async || Ok((self.letters("ada").await?.len() == 2).then_some(())),
            ),
            scene.wait("analytics has counted the day's revenue", async || {
                let days = shop.rows("analytics", "days#").await?;
                let revenue = days.iter().filter_map(|row| row["revenue.EUR"].as_i64());
                let revenue: i64 = revenue.sum();
                Ok((revenue == 2500).then_some(()))
            }),
            scene.wait(
                "the journal's fold of its events says: confirmed",
                async || {
                    Ok((shop.state(&order).await?.as_deref() == Some("confirmed")).then_some(()))
                },
            ),
        );
        // All at once: each is told when it appears.
        tokio::try_join!(captured, listed, sent, counted, confirmed)?;
        self.tally.confirmed.push(order);
        Ok(())
    }

    /// The consumer dies between the provider's act and its own note of it: the worst moment.
    async fn a_consumer_dies(&mut self) -> Result<String> {
        let scene = Teller::scene("A consumer is killed in the middle of its work")?;
        // The provider captures, and takes its time to say so.
        let rules = json!([{ "operation": "capture", "effect": { "loseAnswer": true, "delayMs": 300 }, "times": 1 }]);
        self.shop.misbehave(&rules).await?;
        let order = self
            .place("key-bob-1", "bob", &[("mug", 1)])
            .await?
            .order_id()?;
        let row = format!("payment#{order}");
        let shop = &self.shop;
        scene
            .wait(
                "payments has noted that it is about to capture",
                async || {
                    let row = shop.row("payments", &row, "state").await?;
                    Ok(row.filter(|row| row["state"] == "capturing").map(drop))
                },
            )
            .await?;
        let killed = self.stack.kill_function("payments")?;
        ensure!(killed > 0, "there was no process of payments to kill");
        scene.saw_trouble(&format!("killed its {killed} process(es) with SIGKILL"))?;
        scene
            .wait(
                "its message is still in the queue, in flight: it comes back",
                async || Ok((shop.depth("payments").await?.0 >= 1).then_some(())),
            )
            .await?;
        Ok(order)
    }

    async fn the_same_request_twice(&mut self) -> Result<()> {
        let scene =
            Teller::scene("The same request is sent twice, at the same time, and once more")?;
        let place = || self.place("key-cyd-1", "cyd", &[("mug", 1)]);
        let (one, other) = tokio::try_join!(place(), place())?;
        let answers = [one, other, place().await?];
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let mut orders: Vec<String> = answers
            .iter()
            .filter(|answer| answer.status == 202)
            .map(Answer::order_id)
            .collect::<Result<_>>()?;
        orders.dedup();
        ensure!(
            orders.len() == 1 && statuses.iter().all(|status| [202, 409].contains(status)),
            "three requests under one key gave {statuses:?} and the orders {orders:?}"
        );
        scene.saw(&format!("answers {statuses:?}, one order: {}", orders[0]))?;
        let holds = self.shop.payments(&orders[0]).await?.len();
        ensure!(holds == 1, "{holds} holds on the card for one order");
        scene.saw("one hold on the card")?;
        let shop = &self.shop;
        scene
            .wait("and it is confirmed", async || {
                Ok((shop.state(&orders[0]).await?.as_deref() == Some("confirmed")).then_some(()))
            })
            .await?;
        self.tally.confirmed.append(&mut orders);
        Ok(())
    }

    async fn paperwork(&self) -> Result<()> {
        let scene = Teller::scene(
            "Invoices are written by a work queue; prices are told by request and reply",
        )?;
        let order: OrderId = self.tally.confirmed.first().context("no order")?.parse()?;
        let target = self.shop.target();
        let invoice = scene
            .wait("the first order has its invoice", async || {
                commands::invoices::fetch(target, &order).await
            })
            .await?;
        let (written, document) = invoice;
        ensure!(document.starts_with(b"%PDF-"), "it is no PDF");
        scene.saw(&format!(
            "number {}, a PDF of {} bytes",
            written.number,
            document.len()
        ))?;
        commands::invoices::request(target, &order).await?;
        let shop = &self.shop;
        scene
            .wait("it is asked for again, and the job is done", async || {
                Ok((shop.depth("invoices-urgent").await? == (0, 0)).then_some(()))
            })
            .await?;
        let again = commands::invoices::fetch(target, &order).await?;
        ensure!(
            again == Some((written, document)),
            "the invoice has changed"
        );
        scene.saw("by the same number, the same bytes")?;
        let asker = Asker::open(target).await?;
        let question = json!({ "userId": "hal", "items": [{ "sku": "mug", "quantity": 4 }] });
        let (quote, took) = asker
            .ask(
                &serde_json::from_value(question)?,
                Duration::from_secs(20),
                2,
            )
            .await?;
        asker.close().await?;
        let total = quote.total.context("no total")?;
        ensure!(total.amount == 5000, "four mugs cost {total}");
        let took: Vec<_> = took.iter().map(Duration::as_millis).collect();
        scene.saw(&format!(
            "what would four mugs cost? {total}, after {took:?} ms"
        ))
    }

    async fn short_of_stock(&mut self) -> Result<()> {
        let scene = Teller::scene("Two lamps are ordered, and there is one")?;
        let answer = self
            .place("key-dan-1", "dan", &[("lamp", 2), ("mug", 1)])
            .await?;
        let order = answer.order_id()?;
        scene.saw(&format!(
            "POST /orders answered {} all the same",
            answer.status
        ))?;
        let mugs = self.shop.available("mug").await?;
        let shop = &self.shop;
        scene
            .wait("the order is rejected", async || {
                Ok((shop.state(&order).await?.as_deref() == Some("rejected")).then_some(()))
            })
            .await?;
        let payments = self.shop.payments(&order).await?;
        let payment = only(&payments)?.context("the provider has no hold of it")?;
        ensure!(
            payment.status == "canceled" && payment.amount_received == 0,
            "the hold is {} and {} was taken",
            payment.status,
            payment.amount_received
        );
        scene.saw("the hold on the card is voided, nothing was taken")?;
        ensure!(
            self.shop.available("lamp").await? == 1 && self.shop.available("mug").await? <= mugs,
            "stock was moved for an order that was rejected"
        );
        scene.saw("nothing was reserved: the one lamp is still there")?;
        scene
            .wait("the customer has been told", async || {
                Ok((self.letters("dan").await?.len() == 2).then_some(()))
            })
            .await?;
        self.tally.rejected.push(order);
        Ok(())
    }

    async fn one_bad_message(&mut self) -> Result<BadLetter> {
        let scene = Teller::scene("A partner sends a batch of five orders, one of them malformed")?;
        let before = self.shop.available("mug").await?;
        let mut bodies: Vec<String> = (1..=5).map(|n| partner_order(n, &json!(1))).collect();
        bodies[2] = partner_order(3, &json!("one"));
        self.shop.send("inventory", &bodies).await?;
        self.tally.sent_directly += 5;
        let shop = &self.shop;
        scene
            .wait("its four neighbours are reserved", async || {
                let mut reserved = 0;
                for n in [1, 2, 4, 5] {
                    let key = format!("reservation#partner-{n}");
                    reserved += usize::from(shop.row("inventory", &key, "-").await?.is_some());
                }
                Ok((reserved == 4).then_some(()))
            })
            .await?;
        let letter = scene
            .wait(
                "it alone lies in inventory's dead-letter queue",
                async || {
                    let letters = commands::dlq::look(shop.target(), "inventory").await?;
                    ensure!(letters.len() < 2, "{} dead letters", letters.len());
                    Ok(letters.into_iter().next())
                },
            )
            .await?;
        ensure!(
            letter["body"] == bodies[2],
            "another message is in the dead-letter queue"
        );
        scene.saw_trouble(&format!(
            "its reason: {}, {}",
            text(&letter["reason"]),
            text(&letter["detail"])
        ))?;
        ensure!(
            before - self.shop.available("mug").await? == 4,
            "not four mugs were reserved"
        );
        Ok(BadLetter {
            id: text(&letter["messageId"]),
            fixed: partner_order(3, &json!(1)),
        })
    }

    async fn an_outage(&mut self) -> Result<()> {
        let scene = Teller::scene("The payment provider goes down, and comes back")?;
        self.shop
            .misbehave(&json!([{ "operation": "capture", "effect": { "fail": 503 } }]))
            .await?;
        let mut orders = Vec::new();
        for n in 1..=3 {
            let key = format!("key-eve-{n}");
            orders.push(self.place(&key, "eve", &[("mug", 1)]).await?.order_id()?);
        }
        scene.saw("three orders placed; the shop still answers")?;
        let shop = &self.shop;
        let attempts = async || {
            let mut attempts = Vec::new();
            for order in &orders {
                let payments = shop.payments(order).await?;
                let calls = payments.iter().flat_map(|payment| &payment.calls);
                attempts.push(calls.filter(|call| call["operation"] == "capture").count());
            }
            anyhow::Ok(attempts)
        };
        scene
            .wait(
                "each capture has failed at least once and is tried again",
                async || {
                    Ok(attempts()
                        .await?
                        .iter()
                        .all(|tries| *tries >= 1)
                        .then_some(()))
                },
            )
            .await?;
        let (_, dead) = self.shop.depth("payments").await?;
        ensure!(dead == 0, "{dead} messages of payments died of an outage");
        scene.saw_trouble("the provider answers 503; no message has died of it")?;
        let waits_for_payments = async || {
            let stuck = commands::orders::stuck::stuck(shop.target()).await?;
            let waits = |order: &String| {
                let stuck = stuck.iter().find(|it| it.order_id == *order);
                stuck.is_some_and(|it| it.waits_for.iter().any(|it| it.service == "payments"))
            };
            Ok(orders.iter().all(waits).then_some(()))
        };
        scene
            .wait(
                "after 3 s they are late: `orders stuck` says that they wait for payments",
                waits_for_payments,
            )
            .await?;
        self.shop.behave().await?;
        scene.saw("the provider is back")?;
        scene
            .wait("all three are captured, each once", async || {
                for order in &orders {
                    let payments = shop.payments(order).await?;
                    let payment = only(&payments)?.context("no hold")?;
                    ensure!(payment.acted("capture") <= 1, "{order} was captured twice");
                    if payment.amount_received != payment.amount {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })
            .await?;
        self.tally.confirmed.append(&mut orders);
        Ok(())
    }

    async fn a_change_of_mind(&mut self) -> Result<()> {
        let scene = Teller::scene("Two customers change their minds; the goods of one have left")?;
        let before = self.shop.available("mug").await?;
        let (one, other) = tokio::try_join!(
            self.place("key-fay-1", "fay", &[("mug", 3)]),
            self.place("key-gil-1", "gil", &[("mug", 1)])
        )?;
        let (early, late) = (one.order_id()?, other.order_id()?);
        let shop = &self.shop;
        let reaches = async |order: &str, state: &str| {
            Ok((shop.state(order).await?.as_deref() == Some(state)).then_some(()))
        };
        scene
            .wait("both are confirmed", async || {
                let confirmed = reaches(&early, "confirmed").await?;
                Ok(confirmed.and(reaches(&late, "confirmed").await?))
            })
            .await?;
        commands::pick::pack(shop.target(), &late.parse()?).await?;
        scene.saw("a person has packed the one")?;
        for (order, user) in [(&early, "fay"), (&late, "gil")] {
            let answer = shop.cancel(order, user).await?;
            ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
        }
        let back = async || {
            let payments = shop.payments(&early).await?;
            let payment = only(&payments)?.context("the provider has no hold of it")?;
            let refunded = payment.amount_refunded == payment.amount_received;
            Ok((refunded && shop.available("mug").await? == before - 1).then_some(()))
        };
        let told = async || Ok((self.letters("gil").await?.len() == 4).then_some(()));
        tokio::try_join!(
            scene.wait("the other is cancelled", async || reaches(
                &early,
                "cancelled"
            )
            .await),
            scene.wait("its money and its three mugs are given back, once", back),
            scene.wait("whose goods have left is told that it is too late", told),
        )?;
        ensure!(
            reaches(&late, "packed").await?.is_some(),
            "it is not packed any more"
        );
        self.tally.cancelled.push(early);
        self.tally.confirmed.push(late);
        Ok(())
    }

    async fn the_past(&self) -> Result<()> {
        let scene = Teller::scene("The past is looked at, and told again")?;
        let order = self.tally.confirmed.first().context("no order")?;
        let shown = self.shop.show(order).await?.body;
        let placed = shown["placedAt"].as_u64().context("no moment")?;
        let then = self
            .shop
            .show(&format!("{order}?asOf={placed}"))
            .await?
            .body;
        ensure!(then["state"] == "placed", "as of its placing it was {then}");
        scene.saw(&format!(
            "the first order is {} now, and was {} when it was placed",
            text(&shown["state"]),
            text(&then["state"])
        ))?;
        let target = self.shop.target();
        let refused = commands::replay::past(target, "payments", placed).await;
        ensure!(refused.is_err(), "payments took the past");
        scene.saw("payments refuses to hear it again: it would charge for it")?;
        let before = self.shop.counts("analytics").await?.duplicates;
        let sent = commands::replay::past(target, "analytics", placed).await?;
        let shop = &self.shop;
        scene
            .wait(
                &format!("analytics hears {sent} events again, and finds each of them done"),
                async || {
                    let duplicates = shop.counts("analytics").await?.duplicates;
                    Ok((duplicates >= before + sent).then_some(()))
                },
            )
            .await
    }

    async fn fixed_and_replayed(&mut self, letter: &BadLetter) -> Result<()> {
        let scene = Teller::scene("The malformed order is fixed and replayed")?;
        let before = self.shop.available("mug").await?;
        let target = self.shop.target();
        commands::dlq::replay_fixed(target, "inventory", &letter.id, &letter.fixed).await?;
        self.tally.replayed += 1;
        scene.saw("sent again, confirmed, and only then deleted from the dead-letter queue")?;
        let shop = &self.shop;
        scene
            .wait("it has taken effect", async || {
                let row = shop.row("inventory", "reservation#partner-3", "-").await?;
                Ok(row.filter(|row| row["state"] == "reserved").map(drop))
            })
            .await?;
        // The same event once more, as an impatient operator would: it is known, and does nothing.
        self.shop
            .send("inventory", std::slice::from_ref(&letter.fixed))
            .await?;
        self.tally.sent_again += 1;
        scene
            .wait("sent once more by mistake, it is found done", async || {
                let duplicates = shop.counts("inventory").await?.duplicates;
                Ok((duplicates >= 1).then_some(()))
            })
            .await?;
        let taken = before - self.shop.available("mug").await?;
        ensure!(taken == 1, "it took {taken} mugs, not one");
        scene.saw("exactly one mug was reserved for it")
    }

    async fn the_dead_consumers_work(&mut self, order: &str) -> Result<()> {
        let scene = Teller::scene("The killed consumer's message comes back")?;
        let shop = &self.shop;
        scene
            .wait_for(REDELIVERY, "the order is confirmed", async || {
                Ok((shop.state(order).await?.as_deref() == Some("confirmed")).then_some(()))
            })
            .await?;
        let payments = self.shop.payments(order).await?;
        let payment = only(&payments)?.context("the provider has no hold of it")?;
        let asked = payment
            .calls
            .iter()
            .filter(|call| call["operation"] == "retrieve")
            .count();
        ensure!(
            payment.acted("capture") == 1 && payment.amount_received == payment.amount,
            "the money moved {} times",
            payment.acted("capture")
        );
        ensure!(asked > 0, "the capture was repeated blindly");
        scene.saw("it asked the provider before it acted: the money moved exactly once")?;
        self.tally.confirmed.push(order.to_owned());
        Ok(())
    }

    async fn the_reckoning(self) -> Result<()> {
        let scene = Teller::scene("What was sent, done, retried, parked and replayed")?;
        self.tally.settle(&self.shop, &scene, self.stack).await
    }

    async fn place(&self, key: &str, user: &str, items: &[(&str, u32)]) -> Result<Answer> {
        let answer = self
            .shop
            .place(key, &Shop::order(user, items, "pm_card_visa"))
            .await?;
        ensure!(
            [202, 409].contains(&answer.status),
            "POST /orders answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(answer)
    }

    async fn letters(&self, user: &str) -> Result<Vec<String>> {
        let address = format!("{user}@example.com");
        let letters = self.stack.letters().await?.into_iter();
        let theirs = letters.filter(|letter| letter.to.contains(&address));
        Ok(theirs.map(|letter| letter.subject).collect())
    }
}

/// What will be sent instead of the message that died.
struct BadLetter {
    id: String,
    fixed: String,
}

/// An order that another shop took, and was paid for there.
fn partner_order(n: u32, quantity: &Value) -> String {
    json!({
        "type": "order.placed",
        "payload": {
            "orderId": format!("partner-{n}"),
            "userId": "partner",
            "total": { "amount": 1250, "currency": "EUR" },
            "items": [{ "sku": "mug", "quantity": quantity }],
        },
        "metadata": {
            "id": format!("partner-event-{n}"), "timestamp": dashpot::now(),
            "correlationId": "partner-batch-1", "version": 2, "source": "partner",
        },
    })
    .to_string()
}

/// The payment of an order, of which there must never be two.
fn only(payments: &[Payment]) -> Result<Option<&Payment>> {
    ensure!(
        payments.len() < 2,
        "{} payments for one order",
        payments.len()
    );
    Ok(payments.first())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
