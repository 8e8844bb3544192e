"""The peer: Powertools for AWS Lambda (Python), a batch of ten, each record idempotent on a table.

    python -m venv /tmp/powertools && /tmp/powertools/bin/pip install aws-lambda-powertools boto3
    /tmp/powertools/bin/python bench/peers/powertools.py

The table is an endpoint on this machine that answers after 5 ms, as in `cargo binaries store`. Powertools' batch
processor takes one record after the other, and its idempotency layer two round trips a record: it puts the record in
progress, and updates it when it is done.
"""

import json
import os
import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Table(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.005)
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


# Headers and body in one packet, or the answer waits for an acknowledgement.
Table.wbufsize = -1
server = ThreadingHTTPServer(("127.0.0.1", 0), Table)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
}

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response  # noqa: E402
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord  # noqa: E402
from aws_lambda_powertools.utilities.idempotency import (  # noqa: E402
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

processor = BatchProcessor(event_type=EventType.SQS)
table = DynamoDBPersistenceLayer(table_name="idempotency")
config = IdempotencyConfig(event_key_jmespath="messageId")


@idempotent_function(data_keyword_argument="record", persistence_store=table, config=config)
def reserve(record: dict):
    order = json.loads(record["body"])["payload"]
    return {"quantity": sum(line["quantity"] for line in order["items"])}


def handle(record: SQSRecord):
    return reserve(record=record.raw_event)


class Context:
    aws_request_id = "id"

    @staticmethod
    def get_remaining_time_in_millis():
        return 30_000


def record(n):
    body = {"type": "order.placed", "payload": {"orderId": f"o-{n}", "items": [{"sku": "chair-oak", "quantity": 2}] * 2}}
    return {"messageId": f"m-{n}", "receiptHandle": "r", "body": json.dumps(body), "attributes": {}, "messageAttributes": {}}


walls = []
for run in range(33):
    event = {"Records": [record(f"{run}-{n}") for n in range(10)]}
    start = time.perf_counter()
    answer = process_partial_response(event=event, record_handler=handle, processor=processor, context=Context())
    walls.append((time.perf_counter() - start) * 1e3)
    assert answer == {"batchItemFailures": []}, answer
print(f"a batch of ten: {statistics.median(walls[3:]):.1f} ms, median of {len(walls) - 3}")
