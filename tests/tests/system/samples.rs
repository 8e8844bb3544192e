//! Every sample event, handed to the function that it is for.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::world::World;

const CONSUMERS: [&str; 9] = [
    "journal",
    "listing",
    "inventory",
    "payments",
    "warehouse",
    "email",
    "analytics",
    "invoices",
    "quotes",
];
const KINDS: [&str; 4] = ["good", "duplicate", "malformed", "mixed-batch"];

async fn answer(world: &World, function: &str, kind: &str) -> Result<Value> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{function}/{kind}.json"));
    let event = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    world
        .invoke(function, &event)
        .await
        .with_context(|| format!("{function}/{kind}"))
}

pub(crate) async fn every_sample_is_answered_as_it_should_be(world: &World) -> Result<()> {
    for consumer in CONSUMERS {
        for kind in KINDS {
            // Done, found done, or parked: the samples are days old, so nothing of them is tried again.
            let answer = answer(world, consumer, kind).await?;
            ensure!(
                answer == json!({ "batchItemFailures": [] }),
                "{consumer}/{kind}: {answer}"
            );
        }
        let dead = world.dead_letters(consumer, "01a19b99-90d8").await?;
        ensure!(
            !dead.is_empty(),
            "{consumer}: the malformed sample is no dead letter"
        );
    }
    world.stock("chair-oak", 10).await?;
    world.stock("lamp-brass", 10).await?;
    // The orders sample asks for what the journal sample filed.
    let http = [
        ("checkout", [202, 202, 400, 400]),
        ("orders", [200, 200, 400, 200]),
    ];
    for (function, statuses) in http {
        for (kind, status) in KINDS.iter().zip(statuses) {
            let answer = answer(world, function, kind).await?;
            ensure!(
                answer["statusCode"] == status,
                "{function}/{kind}: {answer}"
            );
        }
    }
    for function in ["relay", "sweeper"] {
        for kind in KINDS {
            let answer = answer(world, function, kind).await?;
            ensure!(answer.is_null(), "{function}/{kind}: {answer}");
        }
    }
    let dead = world.dead_letters("relay", "").await?;
    ensure!(
        !dead.is_empty(),
        "relay: the unpublishable sample is no dead letter"
    );
    Ok(())
}
