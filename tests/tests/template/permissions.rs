use std::collections::BTreeSet;

use serde_json::{Value, json};

use system_tests::template::{CONSUMERS, SERVICES, STAGES, Template, binary, list, text};

const SECRET: &str = "secretsmanager:GetSecretValue on arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${PaymentKeySecret}-??????";
const IDENTITIES: &str =
    "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/";
const SCHEDULES: &str =
    "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${ScheduleGroup}/*";
const REPLIES: &str =
    "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-quote-replies-*";
/// What one service may see of another's: its prices.
const SHARED: &str = "dynamodb:BatchGetItem on CheckoutTable.Arn";
const ROWS: [&str; 3] = ["BatchGetItem", "PutItem", "UpdateItem"];

/// What each service needs, beyond writing its own log.
fn expected(service: &str) -> Vec<String> {
    match service {
        "Checkout" => on_table("CheckoutTable.Arn", &ROWS)
            .chain([SECRET.into()])
            .collect(),
        "Sweeper" => on_table("CheckoutTable.Arn", &["UpdateItem"])
            .chain(on_table("${CheckoutTable.Arn}/index/pending", &["Query"]))
            .chain([SECRET.into()])
            .collect(),
        "Relay" => [
            "Checkout",
            "Inventory",
            "Payments",
            "Warehouse",
            "Deadlines",
        ]
        .into_iter()
        .flat_map(stream)
        .chain([
            "sns:Publish on EventsTopic".into(),
            "sns:PublishBatch on EventsTopic".into(),
            "sqs:SendMessage on RelayDeadLetterQueue.Arn".into(),
            "iam:PassRole on ScheduleRole.Arn".into(),
        ])
        .chain(["Invoices", "Deadlines"].into_iter().flat_map(|to| {
            ["sqs:SendMessage", "sqs:SendMessageBatch"]
                .map(|action| format!("{action} on {to}Queue.Arn"))
        }))
        .chain(
            ["CreateSchedule", "DeleteSchedule"]
                .map(|action| format!("scheduler:{action} on {SCHEDULES}")),
        )
        .collect(),
        "Payments" => consumer(service, service, &ROWS)
            .chain([SECRET.into()])
            .collect(),
        "Email" => consumer(service, service, &ROWS)
            .chain(on_table("EmailTable.Arn", &["ConditionCheckItem"]))
            .chain(["${SenderAddress}", "${Domain}"].map(|it| format!("{IDENTITIES}{it}")))
            .collect(),
        "Invoices" | "InvoicesUrgent" => consumer(service, "Invoices", &ROWS)
            .chain(["s3:PutObject on ${InvoicesBucket.Arn}/invoices/*".into()])
            .collect(),
        "Quotes" => consumer(service, service, &["BatchGetItem", "PutItem"])
            .chain(on_table("CheckoutTable.Arn", &["BatchGetItem"]))
            .chain([format!("sqs:SendMessage on {REPLIES}")])
            .collect(),
        "Analytics" => consumer(service, service, &ROWS)
            .chain(["s3:PutObject on ${AnalyticsBucket.Arn}/events/*".into()])
            .collect(),
        "Journal" | "Listing" => consumer(service, service, &["BatchGetItem", "PutItem"]).collect(),
        "Orders" => on_table("JournalTable.Arn", &["Query"]).collect(),
        _ => consumer(service, service, &ROWS).collect(),
    }
}

fn consumer(service: &str, table: &str, actions: &[&str]) -> impl Iterator<Item = String> {
    [
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "GetQueueAttributes",
    ]
    .map(|action| format!("sqs:{action} on {service}Queue.Arn"))
    .into_iter()
    .chain([format!("sqs:SendMessage on {service}DeadLetterQueue.Arn")])
    .chain(on_table(&format!("{table}Table.Arn"), actions))
}

fn on_table(resource: &str, actions: &[&str]) -> impl Iterator<Item = String> + use<> {
    actions
        .iter()
        .map(|action| format!("dynamodb:{action} on {resource}"))
        .collect::<Vec<_>>()
        .into_iter()
}

fn stream(service: &str) -> impl Iterator<Item = String> + use<> {
    on_table(
        &format!("{service}Table.StreamArn"),
        &["DescribeStream", "GetRecords", "GetShardIterator"],
    )
    .chain(on_table(
        &format!("${{{service}Table.Arn}}/stream/*"),
        &["ListStreams"],
    ))
}

/// Every pair of action and resource that a role allows.
fn allowed(role: &Value) -> BTreeSet<String> {
    let mut pairs = BTreeSet::new();
    for policy in role["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    pairs.insert(format!("{action} on {resource}"));
                }
            }
        }
    }
    pairs
}

#[test]
fn each_function_may_do_exactly_what_it_does() {
    for stage in ["dev", "prod"] {
        let template = Template::at(stage);
        for service in SERVICES {
            let log = ["CreateLogStream", "PutLogEvents"]
                .map(|action| format!("logs:{action} on {service}LogGroup.Arn"));
            let expected: BTreeSet<_> = expected(service).into_iter().chain(log).collect();
            assert_eq!(
                allowed(template.properties(&format!("{service}Role"))),
                expected,
                "{service}"
            );
        }
    }
}

#[test]
fn the_laptop_differs_in_nothing_but_what_its_emulator_does_not_know() {
    let [laptop, prod] = ["laptop", "prod"].map(Template::at);
    for service in SERVICES {
        let role = format!("{service}Role");
        let [here, there] = [&laptop, &prod].map(|it| allowed(it.properties(&role)));
        let only_here: Vec<_> = here.difference(&there).collect();
        match service {
            "Email" => assert_eq!(only_here, ["ses:SendEmail on *"]),
            "Relay" => {
                let any = SCHEDULES.replace("${ScheduleGroup}", "default");
                let expected = ["CreateSchedule", "DeleteSchedule"];
                let expected = expected.map(|action| format!("scheduler:{action} on {any}"));
                assert_eq!(only_here, expected.iter().collect::<Vec<_>>());
            }
            _ => assert!(only_here.is_empty(), "{service}: {only_here:?}"),
        }
    }
}

#[test]
fn each_role_is_one_functions_own_and_has_no_managed_policies() {
    for stage in STAGES {
        let template = Template::at(stage);
        for service in SERVICES {
            let role = template.properties(&format!("{service}Role"));
            assert_eq!(role["ManagedPolicyArns"], Value::Null, "{service}");
            assert_eq!(
                role["AssumeRolePolicyDocument"]["Statement"],
                json!([{
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }])
            );
            // SAM adds managed policies, which reach every resource, to a role that it makes itself.
            let function = template.properties(&format!("{service}Function"));
            assert_eq!(function["Role"], format!("{service}Role.Arn"));
            assert_eq!(function["Policies"], Value::Null, "{service}");
        }
        // One more is the scheduler's.
        assert_eq!(template.all("AWS::IAM::Role").count(), SERVICES.len() + 1);
        for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"] {
            assert_eq!(template.all(kind).count(), 0, "{kind}");
        }
    }
}

#[test]
fn the_scheduler_may_send_to_what_the_relay_schedules_for_and_no_more() {
    let template = Template::at("prod");
    let role = template.properties("ScheduleRole");
    assert_eq!(
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"],
        json!({"Service": "scheduler.amazonaws.com"})
    );
    let told = &template.of_function("Relay", "Environment")["Variables"];
    let queues = text(&told["SCHEDULED_QUEUES"]).split(',').map(|entry| {
        let (_, arn) = entry.split_once('=').unwrap();
        arn.trim_start_matches("${")
            .trim_end_matches('}')
            .to_owned()
    });
    let dead_letters = text(&told["SCHEDULE_DEAD_LETTERS_ARN"]).to_owned();
    let expected = queues.chain([dead_letters]);
    let expected = expected.map(|queue| format!("sqs:SendMessage on {queue}"));
    assert_eq!(allowed(role), expected.collect());
}

#[test]
fn the_topic_lets_only_the_relay_publish() {
    let template = Template::at("prod");
    let [(_, policy)] = template.all("AWS::SNS::TopicPolicy").collect::<Vec<_>>()[..] else {
        panic!("one topic policy");
    };
    assert_eq!(policy["Topics"], json!(["EventsTopic"]));
    assert_eq!(
        policy["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": {"AWS": "RelayRole.Arn"},
            "Action": "sns:Publish",
            "Resource": "EventsTopic",
        }])
    );
}

#[test]
fn the_gateway_may_call_each_http_function_for_its_own_route_only() {
    let template = Template::at("prod");
    let mut routes = Vec::new();
    for (id, route) in template.all("AWS::ApiGatewayV2::Route") {
        let route_of = id.strip_suffix("Route").unwrap();
        let target = text(&route["Target"]).strip_prefix("integrations/${");
        let service = target.unwrap().strip_suffix("Integration}").unwrap();
        assert!(route_of.starts_with(service), "{id} leads to {service}");
        let integration = template.properties(&format!("{service}Integration"));
        assert_eq!(
            integration["IntegrationUri"],
            format!("{service}Function.Arn")
        );
        assert_eq!(integration["PayloadFormatVersion"], "2.0");

        let (method, path) = text(&route["RouteKey"]).split_once(' ').unwrap();
        let permission = template.properties(&format!("{route_of}Permission"));
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com");
        assert_eq!(permission["FunctionName"], format!("{service}Function"));
        assert_eq!(
            text(&permission["SourceArn"]),
            format!(
                "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{HttpApi}}/*/{method}{path}"
            )
        );
        routes.push(text(&route["RouteKey"]).to_owned());
    }
    routes.sort();
    assert_eq!(
        routes,
        [
            "GET /orders/{id}",
            "POST /orders",
            "POST /orders/{id}/cancel"
        ]
    );
    assert_eq!(
        template.all("AWS::Lambda::Permission").count(),
        routes.len()
    );
}

#[test]
fn every_consumer_reaches_its_own_queue_and_table_alone() {
    let template = Template::at("prod");
    for service in CONSUMERS {
        let mut pairs = allowed(template.properties(&format!("{service}Role")));
        assert_eq!(pairs.remove(SHARED), service == "Quotes", "{service}");
        for pair in pairs {
            let other = SERVICES.iter().find(|other| {
                **other != service
                    && binary(other) != binary(service)
                    && ["Queue", "DeadLetterQueue", "Table", "Bucket", "LogGroup"]
                        .iter()
                        .any(|part| pair.contains(&format!(" {other}{part}")))
            });
            assert_eq!(other, None, "{service}: {pair}");
        }
    }
}
