use std::collections::BTreeSet;

use dashpot_envelope::EventSet;
use shop_events::ShopEvent;

use system_tests::template::{SUBSCRIBERS, Template, list};

/// What deadlines sends to itself, and not through the topic.
const COMMANDS: [&str; 2] = ["order.abandon", "order.check"];

/// The types that a consumer's subscription lets through; `None` is all of them.
fn filter(service: &str) -> Option<BTreeSet<String>> {
    let template = Template::at("prod");
    let subscription = template.properties(&format!("{service}Subscription"));
    let policy = subscription["FilterPolicy"].as_object()?;
    assert_eq!(
        policy.keys().collect::<Vec<_>>(),
        ["type"],
        "{service}: a filter on anything else drops events without a word"
    );
    assert_eq!(subscription["FilterPolicyScope"], "MessageAttributes");
    Some(
        list(&policy["type"])
            .into_iter()
            .map(str::to_owned)
            .collect(),
    )
}

/// The types that a consumer's code declares; none where it takes everything.
fn declared(service: &str) -> BTreeSet<String> {
    let types = match service {
        "Inventory" => inventory::handler::Incoming::types(),
        "Payments" => payments::handler::Incoming::types(),
        "Warehouse" => warehouse::handler::Incoming::types(),
        "Email" => email::handler::Incoming::types(),
        "Deadlines" => deadlines::handler::Incoming::types(),
        _ => Vec::new(),
    };
    let events = types.into_iter().filter(|it| !COMMANDS.contains(it));
    events.map(str::to_owned).collect()
}

fn known() -> BTreeSet<String> {
    ShopEvent::types().into_iter().map(str::to_owned).collect()
}

#[test]
fn every_event_reaches_somebody_who_acts_on_it() {
    let taken: BTreeSet<_> = SUBSCRIBERS
        .into_iter()
        .filter_map(filter)
        .flatten()
        .collect();
    let untaken: Vec<_> = known().difference(&taken).cloned().collect();
    assert!(untaken.is_empty(), "{untaken:?}");
}

#[test]
fn every_filter_names_events_that_exist() {
    for service in SUBSCRIBERS {
        let unknown: Vec<_> = filter(service)
            .unwrap_or_default()
            .difference(&known())
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "{service}: {unknown:?}");
    }
}

#[test]
fn analytics_journal_and_listing_take_everything_known_or_not() {
    for service in SUBSCRIBERS {
        let takes_all = matches!(service, "Analytics" | "Journal" | "Listing");
        assert_eq!(filter(service).is_none(), takes_all, "{service}");
    }
}

#[test]
fn each_filter_lets_through_exactly_what_the_code_declares() {
    for service in SUBSCRIBERS {
        assert_eq!(
            filter(service).unwrap_or_default(),
            declared(service),
            "{service}"
        );
    }
}
