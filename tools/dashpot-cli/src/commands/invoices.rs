//! `dashpot invoices`: how far the writing of invoices is, and an order's own.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_sqs::Client;
use clap::{Args, Subcommand};
use dashpot::{DynamoStore, Event as _, now};
use invoices::progress::{self, Written};
use invoices::s3::S3;
use relay::outbox::Event;
use relay::queues::{Queues, SqsQueues};
use serde_json::{Value, json};
use shop_events::{OrderId, PaymentCaptured, StockReserved, WriteInvoice};
use uuid::Uuid;

use super::Common;
use super::status::depth;
use crate::feed::{self, Chosen, Recorded};
use crate::output::{self, BOLD, GREEN};
use crate::target::Target;

/// The queue that waits for nothing else.
const URGENT: &str = "invoices-urgent";

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How many invoices are written, and how many jobs wait
    Status(Status),
    /// Fetch the invoice of an order, as a PDF
    Get(Get),
    /// Have the invoice of a paid order written before all others
    Request {
        /// The order's id
        id: OrderId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Look again every second until no job is left
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// The order's id
    id: OrderId,
    /// The file that it is written to, `-` for standard output; else one that is named after the invoice's number
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, command: Command) -> Result<()> {
    let target = common.target().await?;
    match command {
        Command::Status(asked) => status(common, &target, &asked).await,
        Command::Get(asked) => get(common, &target, &asked).await,
        Command::Request { id } => {
            request(&target, &id).await?;
            if common.json {
                return output::json(&json!({ "orderId": id, "requested": true, "queue": URGENT }));
            }
            output::line(&format!(
                "the invoice of {BOLD}{id}{BOLD:#} is {GREEN}requested{GREEN:#}: `cargo dashpot invoices get {id}`"
            ))
        }
    }
}

async fn status(common: &Common, target: &Target, asked: &Status) -> Result<()> {
    let (client, store) = (Client::new(target.config()), store(target)?);
    let mut queues = target.resources().queues();
    queues.retain(|queue| queue.service.starts_with("invoices"));
    loop {
        let written = progress::written(&store).await?;
        let (mut rows, mut counts, mut left) = (Vec::new(), Vec::new(), 0);
        for queue in &queues {
            let depth_of = async |url: &Option<String>| match url {
                Some(url) => depth(&client, url).await,
                None => Ok((0, 0)),
            };
            let (waiting, in_work) = depth_of(&queue.queue).await?;
            let (dead, looked_at) = depth_of(&queue.dead_letters).await?;
            let counted = [waiting, in_work, dead + looked_at];
            left += waiting + in_work;
            rows.push(
                std::iter::once(queue.service.clone())
                    .chain(counted.map(|it| it.to_string()))
                    .collect(),
            );
            counts.push(json!({ "queue": queue.service, "waiting": counted[0], "inWork": counted[1], "deadLetters": counted[2] }));
        }
        if common.json {
            output::json(&json!({ "written": written, "queues": counts }))?;
        } else {
            output::line(&format!("{BOLD}{written}{BOLD:#} invoices are written\n"))?;
            output::table(&["QUEUE", "WAITING", "IN WORK", "DEAD LETTERS"], &rows)?;
        }
        if !asked.watch || left == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn get(common: &Common, target: &Target, asked: &Get) -> Result<()> {
    let Some((written, document)) = fetch(target, &asked.id).await? else {
        bail!(
            "the order {0} has no invoice yet: it is written once the money is captured, or after `cargo dashpot invoices request {0}`",
            asked.id
        );
    };
    let file = match &asked.out {
        Some(file) if file.as_os_str() == "-" => return Ok(io::stdout().write_all(&document)?),
        Some(file) => file.clone(),
        None => format!("invoice-{}.pdf", written.number).into(),
    };
    fs::write(&file, &document).with_context(|| format!("cannot write {}", file.display()))?;
    if common.json {
        return output::json(&json!({
            "orderId": asked.id, "number": written.number, "object": written.object, "file": file, "bytes": document.len(),
        }));
    }
    output::line(&format!(
        "invoice {BOLD}{}{BOLD:#} is in {GREEN}{}{GREEN:#}",
        written.number,
        file.display()
    ))
}

/// The invoice of an order, with its number; none while it is not written.
///
/// # Errors
///
/// The table or the bucket does not answer.
pub async fn fetch(target: &Target, order: &OrderId) -> Result<Option<(Written, Vec<u8>)>> {
    let Some(written) = progress::of(&store(target)?, order).await? else {
        return Ok(None);
    };
    let bucket = target.resources().id("InvoicesBucket")?;
    let document = S3::new(target.config(), bucket)
        .get(&written.object)
        .await?;
    Ok(Some((written, document)))
}

/// Sends the job that payments sends when it has captured the money, to the queue that waits for nothing else.
///
/// # Errors
///
/// The order is not paid, or the journal or the queue does not answer.
pub async fn request(target: &Target, order: &OrderId) -> Result<()> {
    let job = job(target, order).await?;
    let body = json!({
        "type": WriteInvoice::TYPE, "payload": job,
        "metadata": { "id": Uuid::now_v7().to_string(), "timestamp": now(), "version": WriteInvoice::VERSION, "source": "dashpot", "subject": order },
    })
    .to_string();
    let command = Event {
        body: body.into(),
        event_type: WriteInvoice::TYPE.into(),
        version: Some(WriteInvoice::VERSION.to_string().into()),
        ..Event::default()
    };
    let url = target.resources().id("InvoicesUrgentQueue")?;
    let queues = SqsQueues::new(target.config(), [(URGENT, url)]);
    let fates = queues.send(URGENT, &[&command], now()).await;
    match fates.as_slice() {
        [relay::fate::Fate::Published] => Ok(()),
        other => bail!("the queue does not take the job: {other:?}"),
    }
}

/// The job, as the journal tells of the order.
async fn job(target: &Target, order: &OrderId) -> Result<WriteInvoice> {
    let journal = DynamoStore::new(target.config(), target.resources().id("JournalTable")?);
    let chosen = Chosen {
        from: 0,
        until: u64::MAX,
        types: vec![
            StockReserved::TYPE.to_owned(),
            PaymentCaptured::TYPE.to_owned(),
        ],
        order: Some(order.to_string()),
    };
    let found = RefCell::new(Vec::new());
    let take = async |page: Vec<Recorded>| {
        found.borrow_mut().extend(page);
        Ok(())
    };
    feed::of_order(&journal, &chosen, order.as_str(), &take).await?;
    let found = found.into_inner();
    let payload = |event_type: &str| -> Result<(Value, u64)> {
        let event = found.iter().find(|event| event.event_type == event_type);
        let event = event.with_context(|| {
            format!("the order {order} is not paid: the journal has no {event_type} of it")
        })?;
        let mut envelope: Value = serde_json::from_str(&event.body)?;
        Ok((envelope["payload"].take(), event.timestamp))
    };
    let (captured, at) = payload(PaymentCaptured::TYPE)?;
    let (reserved, _) = payload(StockReserved::TYPE)?;
    let reserved: StockReserved = serde_json::from_value(reserved)?;
    Ok(WriteInvoice::of(
        serde_json::from_value(captured)?,
        reserved.items,
        at,
    ))
}

fn store(target: &Target) -> Result<DynamoStore> {
    let table = target.resources().id("InvoicesTable")?;
    Ok(DynamoStore::new(target.config(), table))
}
