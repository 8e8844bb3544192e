//! `docs/events/asyncapi.json`: an [AsyncAPI 3.0](https://www.asyncapi.com/docs/reference/specification/v3.0.0) document
//! of the topic, one queue a service, and which messages go where.

use serde_json::{Map, Value, json};
use shop_events::schema::{self, Published};

use super::schema_path;
use crate::template::{Template, list, text};

/// The document, made of the template's queues and subscriptions and of these payloads.
#[must_use]
pub fn document(template: &Template, published: &[Published]) -> Value {
    let inboxes: Vec<_> = template
        .all("AWS::SQS::Queue")
        .filter(|(id, _)| !id.ends_with("DeadLetterQueue"))
        .filter_map(|(id, queue)| Inbox::of(template, id, queue, published))
        .collect();
    let mut channels = Map::new();
    channels.insert("events".to_owned(), topic(published));
    let mut operations = Map::new();
    operations.insert("publish".to_owned(), publish(&inboxes));
    for it in &inboxes {
        channels.insert(it.service.clone(), it.channel());
        operations.insert(it.service.clone(), it.receive());
        if !it.commands.is_empty() {
            operations.insert(format!("{}.command", it.service), it.command());
        }
    }
    let messages: Map<_, _> = published.iter().map(|it| (key(it), message(it))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dashpot",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services of the shop say to one another. Every message is an envelope: a fact in the past \
                tense or a command in the imperative, its payload, and where it comes from. A payload changes under its version by optional fields alone.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "parameters": { "stack": { "description": "The name of the CloudFormation stack.", "default": "dashpot" } },
            "schemas": { "metadata": schema::metadata() },
        },
    })
}

/// The queue of a service, and what comes into it.
struct Inbox<'a> {
    service: String,
    queue: &'a Value,
    dead_letters: &'a Value,
    /// None where only commands come.
    subscription: Option<&'a Value>,
    events: Vec<String>,
    commands: Vec<String>,
}

impl<'a> Inbox<'a> {
    /// None where nothing comes that is known here.
    fn of(
        template: &'a Template,
        id: &str,
        queue: &'a Value,
        published: &[Published],
    ) -> Option<Self> {
        let name = queue_name(queue);
        let service = name.trim_start_matches("{stack}-").to_owned();
        let mut subscriptions = template.all("AWS::SNS::Subscription");
        let subscription = subscriptions.find(|(_, it)| it["Endpoint"] == format!("{id}.Arn"));
        let subscription = subscription.map(|(_, properties)| properties);
        let filter = subscription.and_then(|it| it["FilterPolicy"].get("type").map(list));
        let passes = |it: &&Published| {
            subscription.is_some()
                && it.queues.is_empty()
                && filter.as_ref().is_none_or(|types| types.contains(&it.name))
        };
        let is_sent = |it: &&Published| it.queues.contains(&service.as_str());
        let events: Vec<_> = published.iter().filter(passes).map(key).collect();
        let commands: Vec<_> = published.iter().filter(is_sent).map(key).collect();
        if events.is_empty() && commands.is_empty() {
            return None;
        }
        Some(Self {
            dead_letters: referred(template, &queue["RedrivePolicy"]["deadLetterTargetArn"]),
            service,
            queue,
            subscription,
            events,
            commands,
        })
    }

    fn channel(&self) -> Value {
        let queue = |queue: &Value| {
            json!({
                "name": queue_name(queue),
                "fifoQueue": queue["FifoQueue"] == true,
                "messageRetentionPeriod": queue["MessageRetentionPeriod"],
            })
        };
        let mut own = queue(self.queue);
        own["visibilityTimeout"] = self.queue["VisibilityTimeout"].clone();
        own["redrivePolicy"] = json!({
            "deadLetterQueue": { "name": queue_name(self.dead_letters) },
            "maxReceiveCount": self.queue["RedrivePolicy"]["maxReceiveCount"],
        });
        json!({
            "title": format!("The queue of {}", self.service),
            "address": queue_name(self.queue),
            "parameters": { "stack": { "$ref": "#/components/parameters/stack" } },
            "messages": messages(&[self.events.as_slice(), &self.commands].concat()),
            "bindings": { "sqs": { "queue": own, "deadLetterQueue": queue(self.dead_letters) } },
        })
    }

    fn receive(&self) -> Value {
        let what = match self.subscription {
            None => "the commands that are sent to it",
            Some(it) if it["FilterPolicy"].is_null() => "every event, known or not",
            Some(_) => "what its filter policy lets through",
        };
        json!({
            "action": "receive",
            "channel": { "$ref": format!("#/channels/{}", self.service) },
            "summary": format!("{} takes {what}.", self.service),
        })
    }

    fn command(&self) -> Value {
        let at = format!("#/channels/{}", self.service);
        let refer = |key: &String| json!({ "$ref": format!("{at}/messages/{key}") });
        let commands: Vec<_> = self.commands.iter().map(refer).collect();
        json!({
            "action": "send",
            "channel": { "$ref": at },
            "messages": commands,
            "summary": format!("Tells {} to do something; of the services' outboxes, by relay.", self.service),
        })
    }

    /// The subscription in the words of the binding for SNS.
    fn consumer(&self) -> Option<Value> {
        let declared = self.subscription?;
        let mut consumer = json!({
            "protocol": declared["Protocol"],
            "endpoint": { "name": queue_name(self.queue) },
            "rawMessageDelivery": declared["RawMessageDelivery"],
            "redrivePolicy": { "deadLetterQueue": { "name": queue_name(self.dead_letters) } },
        });
        if let Some(policy) = declared.get("FilterPolicy") {
            consumer["filterPolicy"] = policy.clone();
            consumer["filterPolicyScope"] = declared["FilterPolicyScope"].clone();
        }
        Some(consumer)
    }
}

fn topic(published: &[Published]) -> Value {
    let events = published.iter().filter(|it| it.queues.is_empty());
    let events: Vec<_> = events.map(key).collect();
    json!({
        "title": "The topic of all events",
        "description": "CloudFormation makes up its address; the stack's output names it.",
        "address": null,
        "messages": messages(&events),
        "bindings": { "sns": { "name": "EventsTopic", "ordering": { "type": "standard" } } },
    })
}

fn publish(inboxes: &[Inbox<'_>]) -> Value {
    let consumers: Vec<_> = inboxes.iter().filter_map(Inbox::consumer).collect();
    json!({
        "action": "send",
        "channel": { "$ref": "#/channels/events" },
        "summary": "relay publishes what the services have put into their outboxes.",
        "bindings": { "sns": { "topic": { "name": "EventsTopic" }, "consumers": consumers } },
    })
}

fn message(it: &Published) -> Value {
    json!({
        "name": it.name,
        "title": format!("{}, version {}", it.name, it.version),
        "summary": it.schema["description"],
        "headers": {
            "type": "object",
            "description": "The message attributes.",
            "required": ["type"],
            "properties": {
                "type": { "const": it.name },
                "version": { "const": it.version },
                "correlationId": { "type": "string" },
                "traceparent": { "type": "string", "description": "W3C Trace Context." },
            },
        },
        "correlationId": { "location": "$message.payload#/metadata/correlationId" },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {
                "type": "object",
                "required": ["type", "payload", "metadata"],
                "properties": {
                    "type": { "const": it.name },
                    "payload": { "$ref": schema_path(it.name, it.version) },
                    "metadata": {
                        "allOf": [{ "$ref": "#/components/schemas/metadata" }],
                        "properties": { "version": { "const": it.version } },
                    },
                },
            },
        },
    })
}

/// A message's name among all: a type has as many as it has versions.
fn key(it: &Published) -> String {
    format!("{}.v{}", it.name, it.version)
}

fn messages(keys: &[String]) -> Map<String, Value> {
    let refer = |key: &String| {
        let message = json!({ "$ref": format!("#/components/messages/{key}") });
        (key.clone(), message)
    };
    keys.iter().map(refer).collect()
}

/// The properties of the resource that `InventoryQueue.Arn` is of.
fn referred<'a>(template: &'a Template, arn: &Value) -> &'a Value {
    template.properties(text(arn).trim_end_matches(".Arn"))
}

fn queue_name(queue: &Value) -> String {
    text(&queue["QueueName"]).replace("${AWS::StackName}", "{stack}")
}
