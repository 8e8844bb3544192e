use serde_json::{Value, json};

/// One message of a batch, as SQS delivers it.
#[derive(Debug, Clone)]
pub struct Delivery {
    id: String,
    body: String,
    attempt: u32,
    first_received: u64,
    attributes: Value,
}

impl Delivery {
    /// A first delivery, just received. Its receipt handle is `receipt-` and the id.
    pub fn new(id: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            body: body.into(),
            attempt: 1,
            first_received: dashpot::now(),
            attributes: json!({}),
        }
    }

    /// Received for so many times.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// First received so many seconds ago.
    #[must_use]
    pub fn first_received_ago(mut self, seconds: u64) -> Self {
        self.first_received = dashpot::now().saturating_sub(seconds * 1000);
        self
    }

    /// With a text attribute that the sender added.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes[name] = json!({
            "stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String",
        });
        self
    }

    fn record(&self, queue: &str) -> Value {
        json!({
            "messageId": self.id,
            "receiptHandle": format!("receipt-{}", self.id),
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": self.attempt.to_string(),
                "SentTimestamp": self.first_received.to_string(),
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": self.first_received.to_string(),
            },
            "messageAttributes": self.attributes,
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{queue}"),
            "awsRegion": "eu-central-1",
        })
    }
}

/// The payload of an invocation by the event source mapping of a queue.
#[must_use]
pub fn sqs_event(queue: &str, deliveries: &[Delivery]) -> String {
    let records: Vec<Value> = deliveries
        .iter()
        .map(|delivery| delivery.record(queue))
        .collect();
    json!({ "Records": records }).to_string()
}
