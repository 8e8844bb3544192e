//! What must be true once everything has settled, whatever went wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use analytics::totals::{self, Period, Totals};
use dashpot::{Envelope, Item, Key, Value};
use email::letter::Kind;
use listing::generation::Generation;
use order_history::{Event, Facts};
use payment_gateway::IntentStatus;
use payments::ledger::{Balance, Entry};
use payments::payment::State;
use serde_json::value::RawValue;
use shop_events::OrderId;

use super::provider::{CAPTURE_REFUSED, Move, Payment};
use super::topic::Taken;
use super::{PRODUCERS, Shop};

/// What does not hold.
type Violations = Vec<String>;

/// The shop's end, read once.
struct Books<'a> {
    shop: &'a Shop,
    /// By event id, each event once.
    events: BTreeMap<String, Taken>,
    /// Which events were said about which order.
    said: BTreeMap<String, Vec<String>>,
    payments: Vec<Payment>,
    /// The ids of the events that the journal holds, once for each row.
    journal: Vec<String>,
    /// At how many calls and moments something went wrong.
    mishaps: usize,
}

impl Shop {
    /// Everything that does not hold. `mishaps` is how often something went wrong: of what has no guard, letters and
    /// copies in a dead-letter queue, there may be so many more.
    #[must_use]
    pub fn violations(&self, mishaps: usize) -> Vec<String> {
        let events: BTreeMap<String, Taken> = self
            .topic
            .taken()
            .into_iter()
            .map(|taken| (taken.id.clone(), taken))
            .collect();
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events.values() {
            let order = order_of(&event.body);
            said.entry(order)
                .or_default()
                .push(event.event_type.clone());
        }
        let journal = self.tables["journal"].rows("order#");
        let id = |row: &Item| Some(text(row, "sk").split_once('#')?.1.to_owned());
        let books = Books {
            shop: self,
            events,
            said,
            payments: self.provider.payments(),
            journal: journal.iter().filter_map(id).collect(),
            mishaps,
        };
        [
            books.every_message_is_done(),
            books.outbox_topic_and_journal_are_the_same(),
            books.each_event_is_said_once(),
            books.each_message_causes_each_event_once(),
            books.stock_is_conserved(),
            books.reservations_say_what_was_said(),
            books.pick_lists_say_what_was_said(),
            books.cancellations_are_decided_once(),
            books.money_adds_up(),
            books.every_order_gets_what_it_paid_for(),
            books.the_ledger_is_the_providers(),
            books.the_ledger_folds_to_the_state(),
            books.letters_are_sent(),
            books.analytics_counts_what_the_journal_holds(),
            books.the_archive_is_the_journal(),
            books.every_capture_has_one_invoice(),
            books.no_order_is_late(),
            books.every_question_has_one_answer(),
            books.listing_is_what_the_journal_adds_up_to(),
            books.what_was_promised_exists(),
            books.what_is_shown_is_what_the_journal_holds(),
        ]
        .concat()
    }
}

fn order_of(body: &str) -> String {
    let envelope: serde_json::Value = serde_json::from_str(body).unwrap();
    envelope["payload"]["orderId"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn text<'a>(row: &'a Item, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn number(row: &Item, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn broken(holds: bool, what: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(what)
}

impl Books<'_> {
    fn rows(&self, table: &'static str, prefix: &str) -> Vec<Item> {
        self.shop.tables[table].rows(prefix)
    }

    fn said(&self, order: &str, event_type: &str) -> bool {
        self.said
            .get(order)
            .is_some_and(|said| said.iter().any(|it| it == event_type))
    }

    /// The orders that have events.
    fn orders(&self) -> impl Iterator<Item = &str> {
        self.said.keys().map(String::as_str)
    }

    fn state(&self, table: &'static str, key: &Key) -> Option<String> {
        let row = self.shop.tables[table].row(key)?;
        Some(text(&row, "state").to_owned())
    }

    /// Nothing is left in a queue or lies in a dead-letter queue, and what is gone from a queue has left its mark.
    fn every_message_is_done(&self) -> Violations {
        let mut violations = Vec::new();
        for (name, (queue, dead_letters)) in &self.shop.queues {
            let lost = queue.expired().len() + dead_letters.expired().len();
            for (what, count) in [("still queued", queue.len()), ("lost for their age", lost)] {
                violations.extend(broken(count == 0, || {
                    format!("{name}: {count} messages are {what}")
                }));
            }
            let malformed = self.shop.malformed();
            for body in malformed
                .keys()
                .filter(|body| self.shop.is_subscribed(name, &malformed[*body]))
            {
                let parked = dead_letters.messages();
                let parked = parked
                    .iter()
                    .filter(|letter| letter.message.body == *body)
                    .count();
                violations.extend(broken((1..=1 + self.mishaps).contains(&parked), || {
                    format!("{name}: {parked} copies of a malformed message are parked")
                }));
            }
            for letter in dead_letters.messages() {
                if malformed.contains_key(&letter.message.body) {
                    continue;
                }
                let note = letter.message.attributes.get("dashpot");
                let note = note.and_then(|it| it.string_value.clone());
                violations.push(format!(
                    "{name}: {}",
                    note.unwrap_or("given up by SQS".into())
                ));
            }
            let events = self.events.values();
            let taken = events.filter(|it| self.shop.is_subscribed(name, &it.event_type));
            for event in taken {
                violations.extend(broken(self.has_mark(name, event), || {
                    format!("{name}: {} {} has left no mark", event.event_type, event.id)
                }));
            }
        }
        violations.extend(broken(self.shop.relay_dead_letters.is_empty(), || {
            "relay: the stream's mapping gave something up".to_owned()
        }));
        violations
    }

    /// Whether a consumer's table shows that it has handled an event, now or by what came before it.
    fn has_mark(&self, name: &str, event: &Taken) -> bool {
        let order = order_of(&event.body);
        let has = |table: &'static str, key: Key| self.shop.tables[table].row(&key).is_some();
        let names_hold = event.body.contains("\"paymentIntentId\"");
        let names_customer = event.body.contains("\"customer\"");
        match name {
            "inventory" => has("inventory", Key::new(format!("reservation#{order}"))),
            "warehouse" => has("warehouse", Key::new(format!("pick_list#{order}"))),
            "payments" => {
                !names_hold || has("payments", Key::of(format!("payment#{order}"), "state"))
            }
            "email" => {
                let cancelled = Key::new(format!("letter#{order}#cancelled"));
                let prefix = format!("letter#{order}#");
                !names_customer
                    || has("email", cancelled)
                    || !self.rows("email", &prefix).is_empty()
            }
            "analytics" => has("analytics", Key::new(format!("seen#{}", event.id))),
            "deadlines" => has("deadlines", Key::new(format!("order#{order}"))),
            "listing" => has("listing", Key::new(format!("g1#order#{order}"))),
            _ => self.journal.contains(&event.id),
        }
    }

    fn outbox_topic_and_journal_are_the_same(&self) -> Violations {
        let foreign = |event: &&Taken| event.event_type == "order.created";
        let outbox: BTreeSet<String> = PRODUCERS
            .into_iter()
            .flat_map(|table| self.rows(table, "outbox#"))
            .filter(|row| !row.contains_key("to"))
            .map(|row| text(&row, "sk").to_owned())
            .collect();
        let own = self.events.values().filter(|event| !foreign(event));
        let topic: BTreeSet<String> = own.map(|event| event.id.clone()).collect();
        let all: BTreeSet<String> = self.events.keys().cloned().collect();
        let kept: BTreeSet<String> = self.journal.iter().cloned().collect();
        [
            broken(outbox == topic, || {
                format!(
                    "outbox and topic differ by {:?}",
                    outbox.symmetric_difference(&topic)
                )
            }),
            broken(kept == all, || {
                format!(
                    "topic and journal differ by {:?}",
                    kept.symmetric_difference(&all)
                )
            }),
            broken(kept.len() == self.journal.len(), || {
                "the journal has an event twice".to_owned()
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// A second event of a type about the same order would be a second effect. A customer may ask twice to cancel, and
    /// be refused twice.
    fn each_event_is_said_once(&self) -> Violations {
        let mut violations = Vec::new();
        for (order, said) in &self.said {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for event_type in said {
                *counts.entry(event_type).or_default() += 1;
            }
            for (event_type, count) in counts {
                let repeatable = event_type.starts_with("order.cancellation");
                violations.extend(broken(count == 1 || repeatable, || {
                    format!("{order}: {event_type} was said {count} times")
                }));
            }
        }
        violations
    }

    /// However often a message is handled, it causes each event once.
    fn each_message_causes_each_event_once(&self) -> Violations {
        let mut caused: BTreeMap<(String, &str), usize> = BTreeMap::new();
        for event in self.events.values() {
            let envelope: serde_json::Value = serde_json::from_str(&event.body).unwrap();
            if let Some(cause) = envelope["metadata"]["causationId"].as_str() {
                let effect = (cause.to_owned(), event.event_type.as_str());
                *caused.entry(effect).or_default() += 1;
            }
        }
        let check = |((cause, event_type), count): (&(String, &str), &usize)| {
            broken(*count == 1, || {
                format!("{cause} caused {event_type} {count} times")
            })
        };
        caused.iter().filter_map(check).collect()
    }

    fn stock_is_conserved(&self) -> Violations {
        let mut reserved: BTreeMap<String, i64> = BTreeMap::new();
        for row in self.rows("inventory", "reservation#") {
            if text(&row, "state") != "reserved" {
                continue;
            }
            let Some(Value::List(lines)) = row.get("lines") else {
                return vec![format!("{} has no lines", text(&row, "pk"))];
            };
            for line in lines {
                if let Value::Map(line) = line {
                    *reserved.entry(text(line, "sku").to_owned()).or_default() +=
                        number(line, "quantity");
                }
            }
        }
        let mut violations = Vec::new();
        let stock = self.shop.initial_stock.lock();
        let stock = stock.unwrap_or_else(PoisonError::into_inner);
        for (&sku, &initial) in stock.iter() {
            let row = self.shop.tables["inventory"].row(&Key::new(format!("stock#{sku}")));
            let available = number(&row.unwrap_or_default(), "available");
            let taken = reserved.get(sku).copied().unwrap_or_default();
            let holds = available >= 0 && available + taken == initial;
            violations.extend(broken(holds, || {
                format!("{sku}: {available} available and {taken} reserved of {initial}")
            }));
        }
        violations
    }

    fn reservations_say_what_was_said(&self) -> Violations {
        let rows = self.rows("inventory", "reservation#");
        let check = |row: &Item| {
            let order = text(row, "pk")
                .trim_start_matches("reservation#")
                .to_owned();
            let state = text(row, "state").to_owned();
            let (reserved, rejected) = match state.as_str() {
                "reserved" => (true, false),
                "rejected" => (false, true),
                "released" => (row.contains_key("lines"), false),
                _ => return Some(format!("{order}: the reservation is {state:?}")),
            };
            let said = (
                self.said(&order, "stock.reserved"),
                self.said(&order, "stock.rejected"),
            );
            let fell_through =
                self.said(&order, "order.cancelled") || self.said(&order, "payment.failed");
            broken(said == (reserved, rejected), || {
                format!("{order}: the reservation is {state}, and (reserved, rejected) was said {said:?}")
            })
            .or(broken(state != "reserved" || !fell_through, || {
                format!("{order}: it fell through, and its stock is still reserved")
            }))
        };
        rows.iter().filter_map(check).collect()
    }

    fn pick_lists_say_what_was_said(&self) -> Violations {
        let rows = self.rows("warehouse", "pick_list#");
        let check = |row: &Item| {
            let order = text(row, "pk").trim_start_matches("pick_list#").to_owned();
            let state = text(row, "state");
            let created = row.contains_key("list");
            let fell_through =
                self.said(&order, "order.cancelled") || self.said(&order, "payment.failed");
            broken(created == self.said(&order, "pick_list.created"), || {
                format!("{order}: pick list {state}, pick_list.created {}", !created)
            })
            .or(broken(state != "open" || !fell_through, || {
                format!("{order}: it fell through, and its pick list is open")
            }))
        };
        rows.iter().filter_map(check).collect()
    }

    /// Whoever was told that it is asked for gets one decision, or the order had ended by itself; and what is packed is not
    /// cancelled any more.
    fn cancellations_are_decided_once(&self) -> Violations {
        let told = self.shop.cancellations.lock();
        let told = told.unwrap_or_else(PoisonError::into_inner);
        let mut violations: Violations = told
            .iter()
            .filter(|order| !self.said(order, "order.cancellation_requested"))
            .map(|order| format!("{order}: its cancellation was promised and never asked for"))
            .collect();
        for order in self.orders() {
            let said = |event_type| self.said(order, event_type);
            let decisions = [said("order.cancelled"), said("order.cancellation_refused")];
            let possible: &[[bool; 2]] = match (
                said("order.cancellation_requested"),
                said("pick_list.packed"),
                said("payment.failed"),
            ) {
                (false, ..) => &[[false, false]],
                // The failed payment may have withdrawn the list before, or found it cancelled, or packed.
                (true, false, true) => &[[true, false], [false, false]],
                (true, false, false) => &[[true, false]],
                (true, true, _) => &[[false, true]],
            };
            violations.extend(broken(possible.contains(&decisions), || {
                format!("{order}: (cancelled, refused) was said {decisions:?}")
            }));
        }
        violations
    }

    /// Per payment: held once; then captured, voided or lapsed, once; refunded at most once and only what was captured.
    fn money_adds_up(&self) -> Violations {
        let mut violations = Vec::new();
        for Payment { intent, moves, .. } in &self.payments {
            let sum = |of: fn(&Move) -> Option<u64>| moves.iter().filter_map(of).sum::<u64>();
            let held = sum(|it| matches!(it, Move::Held(_)).then_some(amount(*it)));
            let captured = sum(|it| matches!(it, Move::Captured(_)).then_some(amount(*it)));
            let gone =
                sum(|it| matches!(it, Move::Voided(_) | Move::Lapsed(_)).then_some(amount(*it)));
            let refunded = sum(|it| matches!(it, Move::Refunded(_)).then_some(amount(*it)));
            let order = intent
                .order_id
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let holds = captured + gone == held && refunded <= captured;
            violations.extend(broken(holds, || format!("{order}: {moves:?}")));
            let still_held = intent.status == IntentStatus::RequiresCapture;
            violations.extend(broken(!still_held, || {
                format!("{order}: {held} is still held on {}", intent.id)
            }));
            let kept = captured > refunded;
            violations.extend(broken(!kept || self.said(&order, "stock.reserved"), || {
                format!("{order}: money was kept for stock that was never reserved")
            }));
            let own = self.intent_of(&order);
            violations.extend(broken(
                !kept || own.as_deref() == Some(intent.id.as_str()),
                || {
                    format!(
                        "{order}: money was kept on {}, which is not the order's",
                        intent.id
                    )
                },
            ));
        }
        violations
    }

    /// The intent of a placed order.
    fn intent_of(&self, order: &str) -> Option<String> {
        let row = self.shop.tables["checkout"].row(&Key::new(format!("order#{order}")))?;
        let placed: serde_json::Value = serde_json::from_str(text(&row, "placed")).ok()?;
        Some(placed["paymentIntentId"].as_str()?.to_owned())
    }

    fn every_order_gets_what_it_paid_for(&self) -> Violations {
        let mut violations = Vec::new();
        for order in self.orders() {
            let Some(intent) = self.intent_of(order) else {
                continue;
            };
            let state = self.state("payments", &Key::of(format!("payment#{order}"), "state"));
            let said = |event_type: &str| self.said(order, event_type);
            let holds = match state.as_deref() {
                Some("captured") => said("stock.reserved") && !said("order.cancelled"),
                Some("refunded") => said("order.cancelled"),
                Some("voided") => said("order.cancelled") || said("stock.rejected"),
                Some("failed") => said("payment.failed") && self.may_fail(&intent),
                _ => false,
            };
            violations.extend(broken(holds, || {
                format!(
                    "{order}: the payment {intent} is {state:?} after {:?}",
                    self.said[order]
                )
            }));
            let answered =
                said("stock.reserved") || said("stock.rejected") || said("order.cancelled");
            violations.extend(broken(answered, || format!("{order}: nobody answered it")));
        }
        violations
    }

    /// Whether the bank would not hand the money over, or the hold had lapsed: whoever let go of the hold of a placed
    /// order was not to.
    fn may_fail(&self, intent: &str) -> bool {
        let payment = self
            .payments
            .iter()
            .find(|it| it.intent.id.as_str() == intent);
        payment.is_some_and(|payment| {
            let lapsed = payment.moves.iter().any(|it| matches!(it, Move::Lapsed(_)));
            lapsed || payment.card == CAPTURE_REFUSED
        })
    }

    fn the_ledger_is_the_providers(&self) -> Violations {
        let mut ours: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
        for row in self.rows("payments", "payment#") {
            if text(&row, "sk").starts_with("entry#") {
                let entry = (text(&row, "kind").to_owned(), number(&row, "amount"));
                ours.entry(text(&row, "intentId").to_owned())
                    .or_default()
                    .push(entry);
            }
        }
        let mut violations = Vec::new();
        for (intent, entries) in &ours {
            let payment = self
                .payments
                .iter()
                .find(|it| it.intent.id.as_str() == intent);
            let moves = payment.map(|it| it.moves.clone()).unwrap_or_default();
            // What lapsed, or was refused by the bank, is a payment that failed.
            let theirs: Vec<(&str, u64)> = moves
                .iter()
                .map(|it| match it {
                    Move::Held(amount) => ("authorised", *amount),
                    Move::Captured(amount) => ("captured", *amount),
                    Move::Refunded(amount) => ("refunded", *amount),
                    Move::Voided(amount) | Move::Lapsed(amount) => ("voided", *amount),
                })
                .collect();
            let same = entries.len() == theirs.len()
                && entries
                    .iter()
                    .zip(&theirs)
                    .all(|((kind, amount), (theirs, theirs_amount))| {
                        let kind = if kind == "failed" { "voided" } else { kind };
                        kind == *theirs && u64::try_from(*amount) == Ok(*theirs_amount)
                    });
            violations.extend(broken(same, || {
                format!("{intent}: our ledger says {entries:?}, the provider's {theirs:?}")
            }));
        }
        violations
    }

    /// Where a payment stands is what its own entries add up to.
    fn the_ledger_folds_to_the_state(&self) -> Violations {
        let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let rows = self.rows("payments", "payment#");
        for row in &rows {
            let payment = entries.entry(text(row, "pk").to_owned()).or_default();
            payment.extend(Entry::read(row));
        }
        let check = |row: &Item| {
            let state = State::of(row).ok();
            let balance = Balance::of(entries[text(row, "pk")].iter().copied());
            let holds = balance.agrees_with(state) && balance.held() == 0;
            broken(holds, || {
                format!("{}: {state:?} with {balance:?}", text(row, "pk"))
            })
        };
        let states = rows.iter().filter(|row| text(row, "sk") == "state");
        states.filter_map(check).collect()
    }

    fn letters_are_sent(&self) -> Violations {
        let letters = self.shop.letterbox.letters();
        let mut violations = Vec::new();
        for ((order, kind), count) in &letters {
            // Whoever dies between SES and the record has sent a letter that is sent again.
            violations.extend(broken(*count <= 1 + self.mishaps, || {
                format!(
                    "{order}: {count} letters {kind} after {} mishaps",
                    self.mishaps
                )
            }));
            let event_type = event_of(*kind);
            violations.extend(broken(self.said(order, event_type), || {
                format!("{order}: a letter about {event_type}, which nobody said")
            }));
        }
        for (order, said) in &self.said {
            let is_cancelled = self.said(order, "order.cancelled");
            for kind in KINDS {
                let always = matches!(kind, Kind::Cancelled | Kind::Refunded);
                let due = said.iter().any(|it| it == event_of(kind)) && (always || !is_cancelled);
                let sent = letters.contains_key(&(order.clone(), kind));
                violations.extend(broken(sent || !due || self.has_no_customer(order), || {
                    format!("{order}: no letter {kind}")
                }));
            }
        }
        violations
    }

    /// Orders of the first version say nobody who could be written to.
    fn has_no_customer(&self, order: &str) -> bool {
        self.said(order, "order.created")
    }

    fn analytics_counts_what_the_journal_holds(&self) -> Violations {
        let mut violations = Vec::new();
        for (period, prefix) in [(Period::Hour, "hours#"), (Period::Day, "days#")] {
            let mut counted: BTreeMap<String, Totals> = BTreeMap::new();
            for row in self.rows("analytics", prefix) {
                let pk = text(&row, "pk").trim_start_matches(prefix);
                let part = pk.rsplit_once('#').map_or(pk, |(part, _)| part);
                let mark = if prefix == "hours#" { 'T' } else { '-' };
                let name = format!("{part}{mark}{}", text(&row, "sk"));
                let totals = counted.entry(name).or_default();
                for (metric, value) in row
                    .iter()
                    .filter(|(name, _)| !["pk", "sk"].contains(&name.as_str()))
                {
                    *totals.entry(metric.clone()).or_default() +=
                        value.as_i64().unwrap_or_default();
                }
            }
            let mut recounted = BTreeMap::new();
            for row in self.rows("journal", "order#") {
                let event = serde_json::from_str(text(&row, "body")).unwrap();
                totals::add(&mut recounted, period, &event);
            }
            violations.extend(broken(counted == recounted, || {
                format!("analytics counts {counted:?}, the journal holds {recounted:?}")
            }));
        }
        violations
    }

    /// Each event is in exactly one object that counts, as the journal has it; and in no object is anything else.
    fn the_archive_is_the_journal(&self) -> Violations {
        let by_id = |line: &str| {
            let event: Envelope<Box<RawValue>> = serde_json::from_str(line).unwrap();
            (event.metadata.id, line.to_owned())
        };
        let journal = self.rows("journal", "order#");
        let mut events: Vec<_> = journal.iter().map(|row| by_id(text(row, "body"))).collect();
        events.sort();
        let objects = self.shop.archive.objects();
        let mut violations = Vec::new();
        let mut archived = Vec::new();
        for row in self.rows("analytics", "objects#") {
            let day = text(&row, "pk").trim_start_matches("objects#");
            let key = analytics::archive::key(day, text(&row, "sk"));
            let lines = objects.get(&key).map_or("", |it| utf8(it)).lines();
            let lines: Vec<_> = lines.map(by_id).collect();
            let said = number(&row, "events");
            violations.extend(broken(i64::try_from(lines.len()) == Ok(said), || {
                format!("{key} has {} lines, and {said} by its row", lines.len())
            }));
            archived.extend(lines);
        }
        archived.sort();
        violations.extend(broken(archived == events, || {
            format!(
                "{} events are archived, the journal holds {}",
                archived.len(),
                events.len()
            )
        }));
        let all: BTreeSet<_> = objects
            .values()
            .flat_map(|it| utf8(it).lines())
            .map(by_id)
            .collect();
        let known: BTreeSet<_> = events.into_iter().collect();
        violations.extend(broken(all == known, || {
            "the bucket without the table says something else".to_owned()
        }));
        violations
    }

    /// Whoever asked gets the same words each time, and no more often than something went wrong.
    fn every_question_has_one_answer(&self) -> Violations {
        let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for reply in self.shop.replies.messages() {
            let body: serde_json::Value = serde_json::from_str(&reply.message.body).unwrap();
            let question = body["metadata"]["correlationId"].as_str().unwrap();
            let all = answers.entry(question.to_owned()).or_default();
            all.push(reply.message.body.clone());
        }
        let questions = self
            .shop
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut violations = Violations::new();
        for question in questions.iter() {
            let all = answers.remove(question).unwrap_or_default();
            let (least, most) = (usize::from(self.mishaps == 0), 1 + self.mishaps);
            let different: BTreeSet<&String> = all.iter().collect();
            let holds = (least..=most).contains(&all.len()) && different.len() <= 1;
            violations.extend(broken(holds, || format!("{question} was answered {all:?}")));
        }
        violations.extend(broken(answers.is_empty(), || {
            format!("nobody asked for {answers:?}")
        }));
        violations
    }

    /// Everything is at rest, so nothing is unfinished, and nothing is said to be.
    fn no_order_is_late(&self) -> Violations {
        let rows = self.rows("deadlines", "order#");
        let late = rows.iter().filter(|row| row.contains_key("late"));
        late.map(|row| format!("{} is late for ever", text(row, "pk")))
            .collect()
    }

    /// Each order whose money was captured has one document and one number, and nobody else has; each series counts without
    /// a gap; and what is counted as written is what lies there.
    fn every_capture_has_one_invoice(&self) -> Violations {
        let captured = self.orders().filter(|it| self.said(it, "payment.captured"));
        let captured: BTreeSet<String> = captured.map(str::to_owned).collect();
        let documents = self.shop.cabinet.objects();
        let mut invoiced = BTreeSet::new();
        let mut violations = Violations::new();
        let mut series: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for row in self.rows("invoices", "invoice#") {
            let (series_of, n) = text(&row, "number").rsplit_once('-').unwrap();
            let numbers = series.entry(series_of.to_owned()).or_default();
            numbers.insert(n.parse().unwrap());
            if text(&row, "sk") != "document" {
                continue;
            }
            invoiced.insert(text(&row, "pk").trim_start_matches("invoice#").to_owned());
            let document = documents.get(text(&row, "object"));
            let number = format!("Invoice {}", text(&row, "number"));
            let is_its_own =
                document.is_some_and(|it| memchr::memmem::find(it, number.as_bytes()).is_some());
            violations.extend(broken(is_its_own, || {
                format!("{number} is not in {}", text(&row, "object"))
            }));
        }
        let written = self.rows("invoices", "written#");
        let written: i64 = written.iter().map(|row| number(row, "invoices")).sum();
        let counts = [
            documents.len(),
            invoiced.len(),
            usize::try_from(written).unwrap_or_default(),
        ];
        violations.extend(broken(invoiced == captured, || {
            format!("invoices of {invoiced:?}, captured were {captured:?}")
        }));
        violations.extend(broken(counts == [captured.len(); 3], || {
            format!(
                "(documents, rows, counted) are {counts:?} of {} captures",
                captured.len()
            )
        }));
        for (name, numbers) in series {
            let gapless = numbers.iter().copied().eq(1..=numbers.len());
            violations.extend(broken(gapless, || {
                format!("the series {name} has {numbers:?}")
            }));
        }
        violations
    }

    fn listing_is_what_the_journal_adds_up_to(&self) -> Violations {
        let mut recounted: BTreeMap<OrderId, Facts> = BTreeMap::new();
        for row in self.rows("journal", "order#") {
            let event = Event::in_row(&row).unwrap();
            let facts = recounted.entry(event.order_id().unwrap()).or_default();
            *facts = std::mem::take(facts).join(Facts::of(&event));
        }
        let generation = Generation(1);
        let rows = recounted.iter().map(|(order, facts)| {
            let row = listing::row::row(generation, order, facts, 0).unwrap();
            (row.key.pk, row.attributes)
        });
        let rows: BTreeMap<String, Item> = rows.collect();
        let listed = self
            .rows("listing", "g1#order#")
            .into_iter()
            .map(|mut row| {
                row.remove("sk");
                row.insert("version".into(), 0_i64.into());
                let pk = row.remove("pk");
                (pk.unwrap().as_str().unwrap().to_owned(), row)
            });
        let listed: BTreeMap<String, Item> = listed.collect();
        let differ = broken(rows == listed, || {
            format!("listing says {listed:?}, the journal adds up to {rows:?}")
        });
        differ.into_iter().collect()
    }

    /// A 202 is an order; the same key is always the same order, in the same words.
    fn what_was_promised_exists(&self) -> Violations {
        let mut first: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut violations = Vec::new();
        for answer in self.shop.answers() {
            let Some(order) = answer.order_id() else {
                continue;
            };
            let promised = first
                .entry(answer.key.clone())
                .or_insert_with(|| answer.body.clone());
            violations.extend(broken(*promised == answer.body, || {
                format!("{:?} was told {promised} and {}", answer.key, answer.body)
            }));
            violations.extend(broken(self.said(&order, "order.placed"), || {
                format!(
                    "{:?} was promised {order}, which does not exist",
                    answer.key
                )
            }));
        }
        let placed = self.rows("checkout", "order#").len();
        let attempts = self.rows("checkout", "attempt#");
        let ended = attempts
            .iter()
            .filter(|row| text(row, "state") == "PLACED")
            .count();
        violations.extend(broken(placed == ended, || {
            format!("{placed} orders for {ended} placed attempts")
        }));
        violations
    }

    /// Whoever asks again gets an answer about an order: everything that the journal held when they asked, and nothing
    /// that it did not.
    fn what_is_shown_is_what_the_journal_holds(&self) -> Violations {
        let mut violations = Vec::new();
        for shown in self.shop.shown() {
            let [before, after] = &shown.held;
            let is_placed = |id: &String| {
                let event = self.events.get(id);
                event.is_some_and(|event| event.event_type == "order.placed")
            };
            let saw = |event_type: &str| shown.history.values().any(|it| it == event_type);
            let holds = match shown.status {
                200 => {
                    before.iter().all(|id| shown.history.contains_key(id))
                        && shown.history.keys().all(|id| after.contains(id))
                        && (shown.state == "cancelled") == saw("order.cancelled")
                        && (shown.state != "confirmed" || saw("payment.captured"))
                }
                404 => !before.iter().any(is_placed),
                _ => false,
            };
            violations.extend(broken(holds, || format!("{}: {shown:?}", shown.order)));
        }
        violations
    }
}

const KINDS: [Kind; 8] = [
    Kind::Placed,
    Kind::Rejected,
    Kind::Refunded,
    Kind::PaymentFailed,
    Kind::Picking,
    Kind::Packed,
    Kind::Cancelled,
    Kind::CancellationRefused,
];

fn event_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Placed => "order.placed",
        Kind::Rejected => "stock.rejected",
        Kind::Refunded => "payment.refunded",
        Kind::PaymentFailed => "payment.failed",
        Kind::Picking => "pick_list.created",
        Kind::Packed => "pick_list.packed",
        Kind::Cancelled => "order.cancelled",
        Kind::CancellationRefused => "order.cancellation_refused",
    }
}

fn amount(it: Move) -> u64 {
    match it {
        Move::Held(amount)
        | Move::Captured(amount)
        | Move::Voided(amount)
        | Move::Lapsed(amount)
        | Move::Refunded(amount) => amount,
    }
}
