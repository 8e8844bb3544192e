use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use shop_events::schema::{Published, published};

use system_tests::contract::compatibility::{Kind, breaks};
use system_tests::contract::{committed, folder, renew};

#[test]
fn nothing_that_is_published_is_broken() {
    let breaks = breaks(&committed(&folder()), &published());
    let told: Vec<_> = breaks.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

/// Today's payloads, one of them changed.
fn but(name: &str, change: impl Fn(&mut Value)) -> Vec<Published> {
    let mut payloads = published();
    let changed = payloads.iter_mut().find(|it| it.name == name).unwrap();
    change(&mut changed.schema);
    payloads
}

fn set(at: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |schema| {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match &value {
            Value::Null => parent.remove(name),
            value => parent.insert(name.to_owned(), value.clone()),
        };
    }
}

/// Each change, of what at a place, is told as that kind, with its path and in these words.
fn is_told(
    (name, version): (&str, u32),
    kind: Kind,
    words: [&str; 2],
    changes: impl IntoIterator<Item = (&'static str, Value, &'static str)>,
) {
    let committed = committed(&folder());
    for (at, value, path) in changes {
        let change = format!("{name} with {value} at {at}");
        let found = breaks(&committed, &but(name, set(at, value)));
        let it = found.iter().find(|it| it.path == path && it.kind == kind);
        let it = it.unwrap_or_else(|| panic!("{change}: {found:#?}"));
        assert_eq!((it.name.as_str(), it.version), (name, version));
        let told = it.to_string();
        let next = format!("say it in version {}: raise VERSION", version + 1);
        for words in words.into_iter().chain([name, path, &next]) {
            assert!(
                told.contains(words),
                "{change}: {told} does not say {words}"
            );
        }
    }
}

const PLACED: (&str, u32) = ("order.placed", 2);
const CREATED: (&str, u32) = ("order.created", 1);
const STILL_RUN: &str = "consumers that still run";
const BESIDE: &str = "in an optional field beside it";

#[test]
fn a_field_that_may_no_longer_be_there_is_told_with_reason_and_remedy() {
    let removed = [
        ("/properties/customer", Value::Null, "payload.customer"),
        ("/properties/total", Value::Null, "payload.total"),
        (
            "/$defs/Line/properties/sku",
            Value::Null,
            "payload.items[].sku",
        ),
    ];
    is_told(
        PLACED,
        Kind::Removed,
        [STILL_RUN, "Go on saying it;"],
        removed,
    );
    let without_total = json!(["orderId", "userId", "items"]);
    let optional = [("/required", without_total, "payload.total")];
    is_told(
        PLACED,
        Kind::Optional,
        [STILL_RUN, "Go on saying it, always"],
        optional,
    );
}

#[test]
fn a_field_that_must_be_there_now_is_told_with_reason_and_remedy() {
    let with_customer = json!(["orderId", "userId", "total", "items", "customer"]);
    let required = [
        ("/required", with_customer, "payload.customer"),
        (
            "/$defs/Line/required",
            json!(["sku", "quantity", "unitPrice"]),
            "payload.items[].unitPrice",
        ),
    ];
    is_told(
        PLACED,
        Kind::Required,
        ["said without it", "Make it an `Option`"],
        required,
    );
    let items = [(
        "/required",
        json!(["orderId", "userId", "total", "items"]),
        "payload.items",
    )];
    is_told(
        CREATED,
        Kind::Required,
        ["said without it", "#[serde(default = ..)]"],
        items,
    );
}

#[test]
fn a_type_that_takes_less_is_told_with_reason_and_remedy() {
    let words = ["was said under the wider rule", "as wide as it was"];
    let customer = json!({ "$ref": "#/$defs/Customer" });
    let narrowed = [
        ("/properties/customer", customer, "payload.customer"),
        ("/additionalProperties", json!(false), "payload"),
        (
            "/properties/customer/minProperties",
            json!(2),
            "payload.customer",
        ),
        (
            "/$defs/Money/properties/amount/maximum",
            json!(1000),
            "payload.total.amount",
        ),
        (
            "/$defs/Line/properties/quantity/minimum",
            json!(2),
            "payload.items[].quantity",
        ),
        (
            "/$defs/Currency/enum",
            json!(["EUR", "USD"]),
            "payload.total.currency",
        ),
        ("/properties/items/maxItems", json!(5), "payload.items"),
    ];
    is_told(PLACED, Kind::Narrowed, words, narrowed);
    let quantity = (
        "/$defs/Line/properties/quantity/maximum",
        json!(10),
        "payload.items[].quantity",
    );
    is_told(CREATED, Kind::Narrowed, words, [quantity]);
}

#[test]
fn a_type_that_takes_more_is_told_with_reason_and_remedy() {
    let amount = "payload.total.amount";
    let order = json!({ "anyOf": [{ "$ref": "#/$defs/OrderId" }, { "type": "null" }] });
    let widened = [
        ("/properties/orderId", order, "payload.orderId"),
        (
            "/$defs/Money/properties/amount/maximum",
            json!(999_999_999),
            amount,
        ),
        (
            "/$defs/Money/properties/amount/maximum",
            Value::Null,
            amount,
        ),
        (
            "/$defs/Money/properties/amount/type",
            json!(["integer", "string"]),
            amount,
        ),
        (
            "/$defs/Line/properties/quantity/minimum",
            json!(0),
            "payload.items[].quantity",
        ),
    ];
    is_told(PLACED, Kind::Widened, [STILL_RUN, BESIDE], widened);
    let decimals = ("/properties/total/multipleOf", Value::Null, "payload.total");
    is_told(CREATED, Kind::Widened, [STILL_RUN, BESIDE], [decimals]);
}

#[test]
fn a_type_that_takes_something_else_is_told_with_reason_and_remedy() {
    let changed = [
        ("/$defs/Lines/type", json!("object"), "payload.items"),
        ("/$defs/Money/type", json!("number"), "payload.total"),
        (
            "/$defs/Currency/pattern",
            json!("^[a-z]{3}$"),
            "payload.total.currency",
        ),
        (
            "/$defs/Money/properties/amount/format",
            json!("int64"),
            "payload.total.amount",
        ),
    ];
    is_told(
        PLACED,
        Kind::Changed,
        ["in the journal was said as it was", BESIDE],
        changed,
    );
}

#[test]
fn a_version_that_is_known_no_more_is_told() {
    let mut payloads = published();
    payloads.retain(|it| it.name != "order.created");
    let found = breaks(&committed(&folder()), &payloads);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, Kind::Retired);
    assert!(
        found[0]
            .to_string()
            .contains("Keep its golden file, its upcast")
    );
}

#[test]
fn what_breaks_nobody_may_change() {
    let committed = committed(&folder());
    let renamed = |schema: &mut Value| {
        let text = schema
            .to_string()
            .replace("#/$defs/Money", "#/$defs/Amount")
            .replace("\"Money\":", "\"Amount\":");
        *schema = serde_json::from_str(&text).unwrap();
    };
    for payloads in [
        published(),
        but(
            "order.placed",
            set(
                "/properties/giftNote",
                json!({ "type": ["string", "null"] }),
            ),
        ),
        but(
            "order.placed",
            set(
                "/$defs/Line/properties/giftWrap",
                json!({ "type": "boolean", "default": false }),
            ),
        ),
        but(
            "order.placed",
            set("/description", json!("In other words.")),
        ),
        but("order.placed", renamed),
    ] {
        assert_eq!(breaks(&committed, &payloads), []);
    }
    let mut newer = published();
    let placed = newer.iter().find(|it| it.name == "order.placed").unwrap();
    newer.push(Published {
        version: 3,
        schema: json!({ "type": "object" }),
        ..placed.clone()
    });
    assert_eq!(breaks(&committed, &newer), []);
}

/// A folder of its own, in which everything is published.
fn published_in(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("schemas")).unwrap();
    assert_eq!(
        renew(&folder, &published()).unwrap().len(),
        published().len() + 1
    );
    folder
}

#[test]
fn what_is_new_is_written_and_nothing_else() {
    let folder = published_in("contract-renewed");
    assert_eq!(renew(&folder, &published()).unwrap(), Vec::<String>::new());
    let more = but(
        "stock.reserved",
        set("/properties/shelf", json!({ "type": ["string", "null"] })),
    );
    assert_eq!(
        renew(&folder, &more).unwrap(),
        ["schemas/stock.reserved.v1.json"]
    );
    assert_eq!(breaks(&committed(&folder), &more), []);
}

#[test]
fn a_break_cannot_be_waved_through_by_renewing() {
    let folder = published_in("contract-refused");
    let before = committed(&folder);
    let broken = but("stock.reserved", set("/properties/total", Value::Null));
    let refused = renew(&folder, &broken).unwrap_err();
    assert_eq!(
        (refused[0].path.as_str(), refused[0].kind),
        ("payload.total", Kind::Removed)
    );
    assert_eq!(committed(&folder), before);
}
