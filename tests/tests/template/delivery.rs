use serde_json::{Value, json};

use system_tests::template::{CONSUMERS, STAGES, SUBSCRIBERS, Template};

const DAY: u64 = 24 * 60 * 60;

#[test]
fn every_queue_has_its_services_dead_letter_queue() {
    let template = Template::at("prod");
    for service in CONSUMERS {
        let redrive = &template.properties(&format!("{service}Queue"))["RedrivePolicy"];
        assert_eq!(
            redrive["deadLetterTargetArn"],
            format!("{service}DeadLetterQueue.Arn")
        );
    }
    let without: Vec<_> = template
        .all("AWS::SQS::Queue")
        .filter(|(id, queue)| !id.ends_with("DeadLetterQueue") && queue["RedrivePolicy"].is_null())
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn every_subscription_has_its_services_dead_letter_queue() {
    let template = Template::at("prod");
    let subscriptions: Vec<_> = template.all("AWS::SNS::Subscription").collect();
    assert_eq!(subscriptions.len(), SUBSCRIBERS.len());
    for (id, subscription) in subscriptions {
        let service = id.strip_suffix("Subscription").unwrap();
        assert_eq!(subscription["Endpoint"], format!("{service}Queue.Arn"));
        assert_eq!(
            subscription["RedrivePolicy"]["deadLetterTargetArn"],
            format!("{service}DeadLetterQueue.Arn")
        );
    }
}

#[test]
fn messages_arrive_as_they_were_published() {
    for (id, subscription) in Template::at("prod").all("AWS::SNS::Subscription") {
        assert_eq!(subscription["RawMessageDelivery"], true, "{id}");
    }
}

#[test]
fn dead_letters_are_kept_for_14_days_and_longer_than_at_the_source() {
    // A message that moves keeps the time at which it was first sent.
    for (id, queue) in Template::at("prod").all("AWS::SQS::Queue") {
        let kept = queue["MessageRetentionPeriod"].as_u64().unwrap();
        if id.ends_with("DeadLetterQueue") {
            assert_eq!(kept, 14 * DAY, "{id}");
        } else {
            assert!(kept < 14 * DAY, "{id}");
        }
    }
}

#[test]
fn the_topic_and_nothing_else_may_send_to_each_subscribers_queues() {
    let template = Template::at("prod");
    for service in SUBSCRIBERS {
        for queue in [
            format!("{service}Queue"),
            format!("{service}DeadLetterQueue"),
        ] {
            let policy = template.properties(&format!("{queue}Policy"));
            assert_eq!(policy["Queues"], json!([queue]));
            assert_eq!(
                policy["PolicyDocument"]["Statement"],
                json!([{
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": format!("{queue}.Arn"),
                    "Condition": {"ArnEquals": {"aws:SourceArn": "EventsTopic"}},
                }])
            );
        }
    }
    assert_eq!(
        template.all("AWS::SQS::QueuePolicy").count(),
        2 * SUBSCRIBERS.len()
    );
}

#[test]
fn every_queue_is_encrypted_with_a_key_that_the_topic_can_use() {
    // With a KMS key that does not let SNS in, messages are lost without a word.
    for (id, queue) in Template::at("prod").all("AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{id}");
        assert_eq!(queue["KmsMasterKeyId"], Value::Null, "{id}");
    }
}

#[test]
fn a_message_stays_invisible_for_six_timeouts_and_the_window_at_every_stage() {
    for stage in STAGES {
        let template = Template::at(stage);
        for (id, mapping) in template.event_sources("SQS") {
            let service = id.strip_suffix("Function").unwrap();
            let timeout = template.of_function(service, "Timeout").as_u64().unwrap();
            let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap();
            let queue = template.properties(&format!("{service}Queue"));
            let visibility = queue["VisibilityTimeout"].as_u64().unwrap();
            assert!(
                visibility >= 6 * timeout + window,
                "{stage}: {id} has {timeout} s and a window of {window} s, its queue {visibility} s"
            );
        }
    }
}

#[test]
fn a_batch_of_more_than_ten_has_a_window_of_a_second_at_least() {
    // Else Lambda does not create the mapping.
    for stage in STAGES {
        for (id, mapping) in Template::at(stage).event_sources("SQS") {
            let size = mapping["BatchSize"].as_u64().unwrap();
            let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap();
            assert!(size <= 10 || (1..=300).contains(&window), "{stage}: {id}");
        }
    }
}

#[test]
fn analytics_takes_as_many_messages_as_one_transaction() {
    use analytics::handler::{Analytics, Anything};
    use dashpot::BatchHandler;

    let chunk = <Analytics<analytics::s3::S3> as BatchHandler<Anything>>::CHUNK;
    for (id, mapping) in Template::at("prod").event_sources("SQS") {
        if id == "AnalyticsFunction" {
            assert_eq!(mapping["BatchSize"], chunk);
        }
    }
}

#[test]
fn no_bucket_is_public_or_lost_with_the_stack() {
    let template = Template::at("prod");
    for (id, bucket) in template.all("AWS::S3::Bucket") {
        let resource = &template.resources[id];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        for part in [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ] {
            let public = &bucket["PublicAccessBlockConfiguration"];
            assert_eq!(public[part], true, "{id}: {part}");
        }
    }
}

#[test]
fn receives_do_not_run_out_before_a_message_is_parked_for_its_age() {
    let template = Template::at("prod");
    let [base, cap, park_after] = ["RetryBaseSeconds", "RetryCapSeconds", "ParkAfterSeconds"]
        .map(|name| template.seconds(name));
    for service in CONSUMERS {
        let queue = template.properties(&format!("{service}Queue"));
        let receives = queue["RedrivePolicy"]["maxReceiveCount"].as_i64().unwrap();
        // Equal jitter waits at least half of the exponential delay.
        let at_least: f64 = (0..receives - 1)
            .map(|retry| (base * 2f64.powi(i32::try_from(retry).unwrap())).min(cap) / 2.0)
            .sum();
        assert!(
            at_least > park_after,
            "{service}: {receives} receives may be over after {at_least} s, parking is at {park_after} s"
        );
    }
}

#[test]
fn every_queue_mapping_reports_single_failures_and_no_stream_mapping_does() {
    let template = Template::at("prod");
    let queues: Vec<_> = template.event_sources("SQS").collect();
    assert_eq!(queues.len(), CONSUMERS.len());
    for (id, mapping) in queues {
        let service = id.strip_suffix("Function").unwrap();
        assert_eq!(mapping["Queue"], format!("{service}Queue.Arn"));
        assert_eq!(
            mapping["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"]),
            "{id}"
        );
    }
    for (id, mapping) in template.event_sources("DynamoDB") {
        assert_eq!(mapping["FunctionResponseTypes"], Value::Null, "{id}");
    }
}

#[test]
fn every_queue_mapping_has_a_bound_on_its_concurrency() {
    for (id, mapping) in Template::at("prod").event_sources("SQS") {
        let bound = mapping["ScalingConfig"]["MaximumConcurrency"].as_u64();
        assert!(bound.is_some_and(|it| (2..=1000).contains(&it)), "{id}");
    }
}

#[test]
fn the_relay_sees_every_inserted_outbox_row_and_nothing_else() {
    let template = Template::at("prod");
    let mut read = Vec::new();
    for (id, mapping) in template.event_sources("DynamoDB") {
        assert_eq!(id, "RelayFunction");
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
        let filters = mapping["FilterCriteria"]["Filters"].as_array().unwrap();
        let [filter] = filters.as_slice() else {
            panic!("one filter, not {filters:?}");
        };
        let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
        assert_eq!(
            pattern,
            json!({
                "eventName": ["INSERT"],
                "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "outbox#"}]}}}
            })
        );
        read.push(mapping["Stream"].as_str().unwrap().to_owned());
    }
    read.sort();
    let mut streams: Vec<_> = template
        .all("AWS::DynamoDB::Table")
        .filter(|(_, table)| table["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE")
        .map(|(id, _)| format!("{id}.StreamArn"))
        .collect();
    streams.sort();
    assert_eq!(read, streams);
}

#[test]
fn a_stream_is_retried_for_nearly_as_long_as_it_remembers() {
    for (_, mapping) in Template::at("prod").event_sources("DynamoDB") {
        assert_eq!(mapping["MaximumRetryAttempts"], -1);
        let given_up = mapping["MaximumRecordAgeInSeconds"].as_u64().unwrap();
        assert!(
            (20 * 60 * 60..DAY).contains(&given_up),
            "after {given_up} s; a stream forgets after a day"
        );
        assert_eq!(mapping["BisectBatchOnFunctionError"], true);
        assert_eq!(
            mapping["DestinationConfig"]["OnFailure"],
            json!({"Type": "SQS", "Destination": "RelayDeadLetterQueue.Arn"})
        );
    }
}

#[test]
fn no_table_is_lost_with_the_stack() {
    let template = Template::at("prod");
    for (id, table) in template.all("AWS::DynamoDB::Table") {
        let resource = &template.resources[id];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        assert_eq!(table["DeletionProtectionEnabled"], true, "{id}");
        let recovery = &table["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{id}");
    }
}

#[test]
fn only_production_refuses_to_delete_a_table() {
    for stage in STAGES {
        for (id, table) in Template::at(stage).all("AWS::DynamoDB::Table") {
            let refused = &table["DeletionProtectionEnabled"];
            assert_eq!(*refused, stage == "prod", "{stage}: {id}");
        }
    }
}

#[test]
fn every_table_has_the_keys_and_the_expiry_that_the_library_writes() {
    for (id, table) in Template::at("prod").all("AWS::DynamoDB::Table") {
        assert_eq!(
            table["KeySchema"],
            json!([
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"}
            ]),
            "{id}"
        );
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(
            table["TimeToLiveSpecification"],
            json!({"AttributeName": "expiresAt", "Enabled": true}),
            "{id}"
        );
    }
}

#[test]
fn an_http_function_answers_before_the_gateway_gives_up() {
    for stage in STAGES {
        let template = Template::at(stage);
        for service in ["Checkout", "Orders"] {
            let timeout = template.of_function(service, "Timeout").as_u64().unwrap();
            assert!(timeout < 30, "{stage}: {service} has {timeout} s");
        }
    }
}

#[test]
fn a_call_to_the_provider_leaves_time_to_write_down_that_its_outcome_is_unknown() {
    for stage in STAGES {
        let template = Template::at(stage);
        let call: u64 = template.stage["PaymentTimeoutMilliseconds"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        for service in ["Checkout", "Sweeper", "Payments"] {
            let timeout = template.of_function(service, "Timeout").as_u64().unwrap();
            assert!(2 * call < 1000 * timeout, "{stage}: {service}");
        }
    }
}

/// Whoever acts on events must never be told an old one as news: `dashpot replay` looks at this tag.
#[test]
fn only_who_draws_a_picture_of_events_takes_the_past() {
    let template = Template::at("prod");
    let tags = json!([{ "Key": "replayable", "Value": "true" }]);
    let takes: Vec<&str> = template
        .all("AWS::SQS::Queue")
        .filter(|(_, queue)| queue.get("Tags").is_some_and(|it| *it == tags))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(takes, ["AnalyticsQueue", "ListingQueue"]);
}
