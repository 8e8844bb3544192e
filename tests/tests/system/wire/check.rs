//! What must have come of it in the end.

use analytics::totals::{self, Period};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::real::{Place, Row, attribute};

use super::case::{Case, moment};
use super::run::Story;
use super::{attempt, replies};
use crate::world::World;

impl Case {
    /// Holds what must hold once everything is settled.
    pub(super) async fn check(
        self,
        place: &Place,
        order: &str,
        number: usize,
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
            Self::Ordered => attempt::check_placed(&rows, order, story, world).await?,
            Self::Abandoned | Self::Unheld => attempt::check_voided(&rows, order, world).await?,
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
                let parked = dead.len();
                ensure!(
                    (1..=1 + story.repeats()).contains(&parked)
                        && reasons.iter().all(|reason| **reason == "malformed"),
                    "{reasons:?}"
                );
            }
            Self::Captured => {
                check_captured(&rows, order, said("payment.captured"), world).await?;
            }
            Self::Picked | Self::Withdrawn => {
                let (state, event) = match self {
                    Self::Picked => ("open", "pick_list.created"),
                    _ => ("withdrawn", "order.cancelled"),
                };
                let list = row(format!("pick_list#{order}")).context("no pick list")?;
                ensure!(attribute(list, "state") == state, "{list:?}");
                ensure!(said(event) == 1, "{event} was said {} times", said(event));
            }
            Self::Counted => check_counted(place, order, number, world).await?,
            Self::Filed => {
                let filed = rows
                    .iter()
                    .filter(|row| attribute(row, "pk") == format!("order#{order}"));
                ensure!(filed.count() == 1, "{rows:?}");
            }
            Self::Listed => {
                let listed = row(format!("g1#order#{order}")).context("no row")?;
                ensure!(attribute(listed, "version") == "1", "{listed:?}");
            }
            Self::Watched => {
                let watched = row(format!("order#{order}")).context("no row")?;
                ensure!(attribute(watched, "version") == "1", "{watched:?}");
                let checks = said("order.check");
                ensure!(checks == 1, "it is checked {checks} times");
            }
            Self::Invoiced => check_invoiced(&rows, order, number, world).await?,
            Self::Quoted => {
                ensure!(row(format!("quote#event-{order}")).is_some(), "no answer");
                check_answered(order, story, world).await?;
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
                let published = published(place).await?;
                ensure!(
                    (1..=1 + story.repeats()).contains(&published),
                    "published {published} times"
                );
            }
            Self::Unpublishable => {
                let parked = dead.len();
                ensure!(
                    (1..=1 + story.repeats()).contains(&parked),
                    "{parked} dead letters"
                );
            }
        }
        Ok(())
    }
}

/// It has one number, and the document lies where its row says.
async fn check_invoiced(rows: &[Row], order: &str, number: usize, world: &World) -> Result<()> {
    let of = |sort: &str| {
        let own = |row: &&Row| {
            attribute(row, "pk") == format!("invoice#{order}") && attribute(row, "sk") == sort
        };
        rows.iter().find(own).with_context(|| format!("no {sort}"))
    };
    let (numbered, written) = (of("number")?, of("document")?);
    let name = attribute(numbered, "number");
    ensure!(attribute(written, "number") == name, "{written:?}");
    let same = |row: &&Row| attribute(row, "sk") == "number" && attribute(row, "number") == name;
    ensure!(
        rows.iter().filter(same).count() == 1,
        "{name} is assigned twice"
    );
    let key = format!(
        "invoices/{}/{order}.pdf",
        &dashpot::day(moment(number))[..4]
    );
    ensure!(attribute(written, "object") == key, "{written:?}");
    let bucket = world.shop.target().resources().id("AnalyticsBucket")?;
    let cabinet = invoices::s3::S3::new(world.shop.target().config(), bucket);
    let document = cabinet.get(&key).await?;
    ensure!(document.starts_with(b"%PDF"), "{key} is no PDF");
    Ok(())
}

/// The answer came, perhaps more than once, and each time the same.
async fn check_answered(order: &str, story: &Story, world: &World) -> Result<()> {
    let answers = replies::all(order, world).await?;
    let (count, repeats) = (answers.len(), story.repeats());
    ensure!((1..=1 + repeats).contains(&count), "{count} answers");
    ensure!(
        answers.iter().all(|it| *it == answers[0]) && answers[0].contains("2500"),
        "{answers:?}"
    );
    Ok(())
}

/// It is captured once: at the provider, in the ledger, and by what was said.
async fn check_captured(rows: &[Row], order: &str, said: usize, world: &World) -> Result<()> {
    let payment = world.payment(order).await?;
    let taken = payment.amount_received == payment.amount;
    ensure!(taken && payment.acted("capture") == 1, "{payment:?}");
    let entries = rows.iter().filter(|row| {
        attribute(row, "pk") == format!("payment#{order}") && attribute(row, "kind") == "captured"
    });
    let counts = (entries.count(), said);
    ensure!(counts == (1, 1), "(entries, events) are {counts:?}");
    Ok(())
}

/// How often it was published.
async fn published(place: &Place) -> Result<usize> {
    let mut published = 0;
    loop {
        match place.receive().await?.len() {
            0 => return Ok(published),
            more => published += more,
        }
    }
}

/// It is counted once, and lies in the one object that the table knows of.
async fn check_counted(place: &Place, order: &str, number: usize, world: &World) -> Result<()> {
    let config = world.shop.target().config();
    let day = Period::Day.of(moment(number));
    let days = totals::read(
        &place.store(config),
        Period::Day,
        std::slice::from_ref(&day),
    )
    .await?;
    let expected = json!({ "events.order.placed": 1, "orders": 1, "revenue.EUR": 2500 });
    let counted = json!(days.get(&day));
    ensure!(counted == expected, "{counted}");
    let objects = place.rows(&format!("objects#{day}")).await?;
    let [object] = objects.as_slice() else {
        anyhow::bail!("{} objects", objects.len());
    };
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true);
    let got = aws_sdk_s3::Client::from_conf(s3.build())
        .get_object()
        .bucket(world.shop.target().resources().id("AnalyticsBucket")?)
        .key(analytics::archive::key(&day, attribute(object, "sk")))
        .send()
        .await?;
    let lines = got.body.collect().await?.into_bytes();
    let lines = String::from_utf8_lossy(&lines);
    ensure!(
        lines.lines().count() == 1 && lines.contains(&format!("event-{order}")),
        "{lines}"
    );
    Ok(())
}
