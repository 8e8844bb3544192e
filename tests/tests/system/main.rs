//! The whole system on the local stack: the real template, the real functions, real HTTP, with the
//! emulator's authorisation on. One stack serves all tests; each has products and customers of its own, so
//! they run in parallel.
//! - [`checkout`]: what a client may send, and what it is answered
//! - [`flow`]: what becomes of an order
//! - [`history`]: an order at any moment, and the listing rebuilt
//! - [`messages`]: what becomes of messages that nobody expects
//! - [`provider`]: a payment provider that is slow, away, or silent after acting
//! - [`samples`]: every file of `events/`
//! - [`wire`]: every call of a function's process goes wrong on the wire
//! - [`stats`]: what is counted of it
//! - [`store`]: the real client keeps the promises that the table in memory keeps
//! - [`isolation`]: messages that end the process
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkout;
mod flow;
mod history;
mod isolation;
mod messages;
mod provider;
mod samples;
mod stats;
mod store;
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use dashpot_cli::progress::Progress;
use dashpot_cli::stack::{Options, Stack};
use libtest_mimic::{Arguments, Trial};

use world::World;

macro_rules! trials {
    ($world:ident, $runtime:ident: $($module:ident { $($name:ident),+ $(,)? })+) => {
        vec![$($({
            let (world, handle) = (Arc::clone(&$world), $runtime.handle().clone());
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                let world = world.get().ok_or("the local stack does not run")?;
                handle.block_on($module::$name(world)).map_err(|cause| format!("{cause:?}").into())
            })
        }),+),+]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let world = Arc::new(OnceLock::new());
    let trials = trials!(world, runtime:
        checkout {
            a_good_order_is_answered_with_its_total_and_an_id,
            a_request_that_is_wrong_is_refused_by_name,
            a_body_of_a_megabyte_is_refused,
            a_key_names_one_request_for_ever,
            the_same_request_many_times_at_once_is_one_order,
            a_declined_card_is_no_order_and_stays_declined,
        }
        flow {
            an_order_is_confirmed_by_every_service,
            a_paid_order_has_one_invoice_however_often_it_is_asked_for,
            whoever_asks_gets_their_own_answer_and_leaves_no_queue,
            an_order_that_is_late_is_given_up_tomorrow_unless_it_goes_on,
            an_order_short_of_stock_costs_nothing,
            a_refused_capture_gives_everything_back,
            a_cancelled_order_gives_everything_back,
            what_is_packed_is_not_cancelled_any_more,
            many_orders_at_once_never_sell_more_than_there_is,
        }
        history {
            an_order_is_shown_as_it_was_at_any_moment,
            the_listing_is_rebuilt_while_orders_come_in,
            the_past_changes_no_picture_and_is_told_to_nobody_who_acts,
            what_a_broken_relay_did_not_publish_is_published,
        }
        messages {
            a_strange_message_ends_in_exactly_one_place_and_hurts_no_neighbour,
            the_reference_texts_own_message_is_rejected_for_want_of_lines,
            a_message_counts_once_however_it_comes,
        }
        samples { every_sample_is_answered_as_it_should_be }
        stats { what_happens_is_counted_and_equals_a_recount }
        store { a_real_table_keeps_every_promise_of_a_store }
        provider {
            an_answer_that_was_lost_is_asked_for_again,
            a_hold_that_nobody_came_back_for_is_voided,
            an_outage_of_captures_heals_and_nothing_dies,
            a_consumer_killed_after_the_capture_captures_once,
        }
        wire {
            no_call_of_inventory_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_payments_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_email_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_the_relay_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_checkout_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_the_sweeper_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_warehouse_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_analytics_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_journal_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_listing_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_deadlines_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_invoices_that_goes_wrong_loses_or_doubles_anything,
            no_call_of_quotes_that_goes_wrong_loses_or_doubles_anything,
        }
        isolation { a_message_that_ends_the_process_hurts_no_neighbour }
    );
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let options = Options {
        progress: Progress::Silent,
        // An abandoned hold is due after a moment, and an order late, so that a test can see it.
        parameters: ["HoldBoundSeconds", "LateAfterSeconds"]
            .map(|name| (name.to_owned(), "3".to_owned()))
            .into(),
        ..Options::default()
    };
    let started = runtime.block_on(async { World::of(Stack::start(options).await?) });
    match started {
        Ok(running) => drop(world.set(running)),
        Err(cause) => {
            eprintln!("the local stack did not start: {cause:?}");
            return ExitCode::FAILURE;
        }
    }
    // The stack ends with the last test that holds it.
    libtest_mimic::run(&arguments, trials).exit_code()
}
