//! A dead-letter queue and the queue that its messages came from, in memory, and as much of CloudFormation as names them.
//! It keeps SQS's promises and checks the client's: nothing is deleted that was not sent before.

use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

use crate::event;
use crate::host::request;

pub struct Queues {
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    visible: VecDeque<usize>,
    sent: Vec<bool>,
    deleted: Vec<bool>,
}

impl Queues {
    /// With so many dead letters.
    pub fn start(letters: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            visible: (0..letters).collect(),
            sent: vec![false; letters],
            deleted: vec![false; letters],
        }));
        let (shared, here) = (state.clone(), url.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (state, url) = (shared.clone(), here.clone());
                thread::spawn(move || serve(&stream, &state, &url));
            }
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics")
    }

    /// How many can be received.
    pub fn visible(&self) -> usize {
        self.state().visible.len()
    }

    /// How many were sent to where they came from.
    pub fn sent(&self) -> usize {
        self.state().sent.iter().filter(|&&sent| sent).count()
    }

    pub fn deleted(&self) -> usize {
        self.state()
            .deleted
            .iter()
            .filter(|&&deleted| deleted)
            .count()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>, url: &str) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some((head, body)) = request(&mut reader) {
        let action = head
            .split("AmazonSQS.")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let (kind, answer) = match action {
            Some(action) => {
                let request = serde_json::from_str(&body).expect("JSON");
                let mut state = state.lock().expect("nobody panics");
                (
                    "application/x-amz-json-1.0",
                    state.answer(action.trim(), &request).to_string(),
                )
            }
            None => ("text/xml", cloudformation(&body, url)),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if out
            .write_all(head.as_bytes())
            .and_then(|()| out.write_all(answer.as_bytes()))
            .is_err()
        {
            return;
        }
    }
}

impl State {
    fn answer(&mut self, action: &str, request: &Value) -> Value {
        let entries = request["Entries"].as_array().into_iter().flatten();
        let number = |text: &Value| {
            text.as_str()
                .and_then(|text| text.parse::<usize>().ok())
                .expect("a number")
        };
        match action {
            "ReceiveMessage" => {
                let most = request["MaxNumberOfMessages"]
                    .as_u64()
                    .map_or(1, |most| most as usize);
                let count = most.min(self.visible.len());
                let messages: Vec<Value> = self.visible.drain(..count).map(letter).collect();
                json!({ "Messages": messages })
            }
            "SendMessageBatch" => {
                let taken = entries.map(|entry| {
                    let body: Value = serde_json::from_str(entry["MessageBody"].as_str().expect("a body")).expect("JSON");
                    let user = body["payload"]["userId"].as_str().expect("a user").trim_start_matches("user_");
                    self.sent[user.parse::<usize>().expect("a number")] = true;
                    json!({ "Id": entry["Id"], "MessageId": format!("new-{user}"), "MD5OfMessageBody": "" })
                });
                json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] })
            }
            "DeleteMessageBatch" => {
                let gone = entries.map(|entry| {
                    let n = number(&entry["ReceiptHandle"]);
                    assert!(self.sent[n], "letter {n} is deleted and was never sent");
                    self.deleted[n] = true;
                    json!({ "Id": entry["Id"] })
                });
                json!({ "Successful": gone.collect::<Vec<_>>(), "Failed": [] })
            }
            "ChangeMessageVisibilityBatch" => {
                let back = entries.map(|entry| {
                    self.visible.push_back(number(&entry["ReceiptHandle"]));
                    json!({ "Id": entry["Id"] })
                });
                json!({ "Successful": back.collect::<Vec<_>>(), "Failed": [] })
            }
            unknown => panic!("{unknown}"),
        }
    }
}

fn letter(n: usize) -> Value {
    let note = json!({
        "reason": "permanent", "detail": "there is not enough in stock", "consumer": "inventory", "sourceQueue": "arn",
        "messageId": "m", "type": "order.placed", "attempts": 1, "parkedAt": 1_793_611_800_000_u64 + n as u64,
        "fingerprint": "00ff00ff00ff00ff", "redrives": 0
    });
    json!({
        "MessageId": format!("98cdf011-6671-4c6a-8d5c-{n:012x}"), "ReceiptHandle": n.to_string(), "Body": event::body(n, 2),
        "Attributes": { "SentTimestamp": "1793611800310" },
        "MessageAttributes": {
            "type": { "DataType": "String", "StringValue": "order.placed" },
            "dashpot": { "DataType": "String", "StringValue": note.to_string() }
        }
    })
}

fn cloudformation(request: &str, url: &str) -> String {
    if request.contains("Action=DescribeStacks") {
        let output = |name, value| {
            format!(
                "<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>"
            )
        };
        return format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName>\
             <CreationTime>2026-11-25T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{}{}</Outputs>\
             </member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
            output("ApiUrl", url),
            output(
                "EventsTopicArn",
                "arn:aws:sns:eu-west-1:123456789012:events"
            )
        );
    }
    let resource = |name, path| {
        format!(
            "<member><LogicalResourceId>{name}</LogicalResourceId><PhysicalResourceId>{url}/{path}</PhysicalResourceId>\
             <ResourceType>AWS::SQS::Queue</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
             <LastUpdatedTimestamp>2026-11-25T00:00:00Z</LastUpdatedTimestamp></member>"
        )
    };
    format!(
        "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>{}{}</StackResourceSummaries>\
         </ListStackResourcesResult></ListStackResourcesResponse>",
        resource("InventoryQueue", "inventory"),
        resource("InventoryDeadLetterQueue", "inventory-dead-letters")
    )
}
