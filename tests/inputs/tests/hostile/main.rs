//! Samples with something wrong in them, and input at the limits of what can be sent.
//!
//! - [`document`]: a JSON document as text, so that also what no parser would build can be put into it
//! - [`mutation`]: what goes wrong with it
//! - [`limits`]: 1 MiB, 10,000 records, nesting without end

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod document;
mod limits;
mod mutation;

use document::Document;
use mutation::mutated;
use proptest::prelude::*;
use serde_json::Value;

const EVENT: &str = include_str!("../../../../events/inventory/mixed-batch.json");
const REQUEST: &str = include_str!("../../../../events/checkout/good.json");
const CANCEL: &str = include_str!("../../../../events/checkout/cancel.json");
const LOOK: &str = include_str!("../../../../events/orders/good.json");
const STREAM: &str = include_str!("../../../../events/relay/mixed-batch.json");
const INTENT: &str = include_str!("../../../../shared/payment-gateway/tests/answers/intent.json");
const DECLINED: &str =
    include_str!("../../../../shared/payment-gateway/tests/answers/declined.json");

fn run(target: &str, input: impl AsRef<[u8]>) {
    (inputs::target(target).run)(input.as_ref());
}

/// The good body of the sample event.
fn body() -> String {
    let event: Value = serde_json::from_str(EVENT).unwrap();
    event["Records"][0]["body"].as_str().unwrap().to_owned()
}

/// A payload of every event, with the byte that chooses it.
fn payloads() -> Vec<(u8, String)> {
    let payload = r#"{"orderId":"o-1","userId":"u-1","customer":{"email":"ada@example.com"},"total":{"amount":4999,"currency":"EUR"},"amount":{"amount":4999,"currency":"EUR"},"items":[{"sku":"a","quantity":2,"unitPrice":{"amount":1,"currency":"EUR"}},{"sku":"b","quantity":1}],"short":["a","b"],"reason":"card_declined","paymentIntentId":"pi_1"}"#;
    let first = r#"{"orderId":"123","userId":"user_456","total":99.99,"items":[{"sku":"a","quantity":2},"a chair",{"name":"b"}]}"#;
    let names = <shop_events::ShopEvent as dashpot::EventSet>::types();
    (0..)
        .zip(names)
        .map(|(choice, name)| {
            let is_first = name == "order.created";
            (choice, if is_first { first } else { payload }.to_owned())
        })
        .collect()
}

#[test]
fn every_payload_is_a_sample_that_can_be_read() {
    for (choice, payload) in payloads() {
        let names = <shop_events::ShopEvent as dashpot::EventSet>::types();
        let name = names[usize::from(choice)];
        let read =
            |version| <shop_events::ShopEvent as dashpot::EventSet>::read(name, version, &payload);
        assert!(read(1).is_ok() || read(2).is_ok(), "{name}");
    }
}

/// The event with another body in its first record, or with something else wrong.
fn any_event() -> impl Strategy<Value = String> {
    let with_body = prop_oneof![mutated(&body()), ".*"].prop_map(|body| {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        event["Records"][0]["body"] = body.into();
        event.to_string()
    });
    let wrapped = mutated(&body()).prop_flat_map(|body| {
        mutated(
            &serde_json::json!({ "Type": "Notification", "TopicArn": "t", "Message": body })
                .to_string(),
        )
    });
    let with_notification = wrapped.prop_map(|body| {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        event["Records"][1]["body"] = body.into();
        event.to_string()
    });
    prop_oneof![with_body, with_notification, mutated(EVENT)]
}

fn any_request() -> impl Strategy<Value = String> {
    let form = serde_json::from_str::<Value>(REQUEST).unwrap()["body"]
        .as_str()
        .unwrap()
        .to_owned();
    let with_form = (mutated(&form), any::<bool>()).prop_map(|(form, is_base64)| {
        let mut request: Value = serde_json::from_str(REQUEST).unwrap();
        request["body"] = form.into();
        request["isBase64Encoded"] = is_base64.into();
        request.to_string()
    });
    let cancel: Value = serde_json::from_str(CANCEL).unwrap();
    let asked = cancel["body"].as_str().unwrap().to_owned();
    let with_asked = mutated(&asked).prop_map(move |asked| {
        let mut cancel = cancel.clone();
        cancel["body"] = asked.into();
        cancel.to_string()
    });
    prop_oneof![
        with_form,
        with_asked,
        mutated(REQUEST),
        mutated(CANCEL),
        mutated(LOOK)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_batch_leaves_a_message_without_a_verdict(event in any_event()) {
        run("batch", event);
    }

    #[test]
    fn no_body_breaks_the_envelope(body in prop_oneof![mutated(&body()), ".*"]) {
        run("envelope", body);
    }

    #[test]
    fn no_payload_breaks_its_event(
        (choice, payload) in prop::sample::select(payloads())
            .prop_flat_map(|(choice, payload)| (Just(choice), mutated(&payload)))
    ) {
        run("payload", [&[choice], payload.as_bytes()].concat());
    }

    #[test]
    fn no_form_breaks_checkout(form in mutated(
        r#"{"userId":"u1","email":"a@x.de","items":[{"sku":"chair","quantity":1}],"paymentMethod":"pm_card_visa"}"#
    )) {
        run("form", form);
    }

    #[test]
    fn no_request_goes_without_an_answer(request in any_request()) {
        run("api", request);
    }

    #[test]
    fn no_stream_record_goes_without_a_verdict(event in mutated(STREAM)) {
        run("stream", event);
    }

    #[test]
    fn no_answer_of_the_provider_means_what_it_does_not_say(
        choice: u8,
        answer in prop_oneof![mutated(INTENT), mutated(DECLINED)],
    ) {
        run("provider", [&[choice], answer.as_bytes()].concat());
    }

    #[test]
    fn a_document_is_the_text_that_it_was_made_of(event in prop::sample::select(vec![EVENT, REQUEST, STREAM])) {
        let document = Document::from(&serde_json::from_str::<Value>(event).unwrap());
        let again: Value = serde_json::from_str(&document.to_string()).unwrap();
        prop_assert_eq!(again, serde_json::from_str::<Value>(event).unwrap());
    }
}
