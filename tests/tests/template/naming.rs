use std::collections::BTreeSet;

use system_tests::template::{
    CONSUMERS, SERVICES, Template, binary, list, project_root, service_name, text,
};

#[test]
fn every_service_has_a_folder_a_binary_and_a_function_of_its_name() {
    let template = Template::at("prod");
    let folders: BTreeSet<_> = std::fs::read_dir(project_root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, SERVICES.map(binary).into());

    let functions: BTreeSet<_> = template
        .all("AWS::Serverless::Function")
        .map(|(id, _)| id)
        .collect();
    let expected: Vec<_> = SERVICES.iter().map(|it| format!("{it}Function")).collect();
    assert_eq!(functions, expected.iter().map(String::as_str).collect());

    for service in SERVICES {
        let name = service_name(service);
        let id = format!("{service}Function");
        let metadata = &template.resources[&id]["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda");
        assert_eq!(metadata["BuildProperties"]["Binary"], binary(service));
        let function = template.properties(&id);
        assert_eq!(
            function["FunctionName"],
            format!("${{AWS::StackName}}-{name}")
        );
        assert_eq!(
            function["LoggingConfig"]["LogGroup"],
            format!("{service}LogGroup")
        );
        assert_eq!(
            template.properties(&format!("{service}LogGroup"))["LogGroupName"],
            format!("/aws/lambda/${{AWS::StackName}}-{name}")
        );
    }
}

#[test]
fn queues_are_named_after_their_service() {
    let template = Template::at("prod");
    for (id, queue) in template.all("AWS::SQS::Queue") {
        let name = id.strip_suffix("DeadLetterQueue").map_or_else(
            || service_name(id.strip_suffix("Queue").unwrap()),
            |service| format!("{}-dead-letters", service_name(service)),
        );
        assert_eq!(queue["QueueName"], format!("${{AWS::StackName}}-{name}"));
    }
}

#[test]
fn every_function_runs_on_the_same_terms() {
    let template = Template::at("prod");
    for service in SERVICES {
        assert_eq!(template.of_function(service, "Runtime"), "provided.al2023");
        assert_eq!(template.of_function(service, "Handler"), "bootstrap");
        assert_eq!(
            list(template.of_function(service, "Architectures")),
            ["arm64"]
        );
    }
}

#[test]
fn every_log_is_forgotten_some_day() {
    for (id, group) in Template::at("prod").all("AWS::Logs::LogGroup") {
        assert!(group["RetentionInDays"].as_u64().is_some(), "{id}");
    }
}

#[test]
fn each_function_is_told_what_it_reads_and_no_more() {
    const RETRY: [&str; 4] = [
        "RETRY_BASE_SECONDS",
        "RETRY_CAP_SECONDS",
        "PARK_AFTER_SECONDS",
        "NOT_YET_SECONDS",
    ];
    const PAYMENT: [&str; 3] = [
        "PAYMENT_BASE_URL",
        "PAYMENT_KEY_SECRET",
        "PAYMENT_TIMEOUT_MS",
    ];
    let template = Template::at("prod");
    for service in SERVICES {
        let mut expected = BTreeSet::new();
        if CONSUMERS.contains(&service) {
            expected.extend(["QUEUE_URL", "DEAD_LETTER_QUEUE_URL"]);
            expected.extend(RETRY);
        }
        expected.extend::<&[&str]>(match service {
            "Relay" => &[
                "TOPIC_ARN",
                "QUEUES",
                "DEAD_LETTER_QUEUE_URL",
                "SCHEDULE_GROUP",
                "SCHEDULE_ROLE_ARN",
                "SCHEDULED_QUEUES",
                "SCHEDULE_DEAD_LETTERS_ARN",
            ],
            "Quotes" => &["TABLE_NAME", "PRICES_TABLE_NAME", "REPLY_PREFIX"],
            "Deadlines" => &["TABLE_NAME", "LATE_AFTER_SECONDS", "ABANDON_AFTER_SECONDS"],
            "Email" => &["TABLE_NAME", "SENDER_ADDRESS"],
            "Analytics" => &["TABLE_NAME", "BUCKET_NAME"],
            "Invoices" | "InvoicesUrgent" => {
                &["TABLE_NAME", "BUCKET_NAME", "SELLER", "TAX_PERCENT"]
            }
            "Checkout" => &["TABLE_NAME", "HOLD_BOUND_SECONDS"],
            _ => &["TABLE_NAME"],
        });
        if matches!(service, "Checkout" | "Sweeper" | "Payments") {
            expected.extend(PAYMENT);
        }
        let told = template.of_function(service, "Environment")["Variables"]
            .as_object()
            .unwrap();
        assert_eq!(
            told.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            expected,
            "{service}"
        );
    }
}

#[test]
fn each_function_is_told_of_its_own_table_and_queues() {
    let template = Template::at("prod");
    for service in SERVICES {
        let keeps = match service {
            "Sweeper" => "Checkout",
            "Orders" => "Journal",
            "InvoicesUrgent" => "Invoices",
            other => other,
        };
        let told = &template.of_function(service, "Environment")["Variables"];
        for (variable, expected) in [
            ("TABLE_NAME", format!("{keeps}Table")),
            ("PRICES_TABLE_NAME", "CheckoutTable".to_owned()),
            ("BUCKET_NAME", format!("{keeps}Bucket")),
            ("QUEUE_URL", format!("{service}Queue")),
            ("DEAD_LETTER_QUEUE_URL", format!("{service}DeadLetterQueue")),
        ] {
            if let Some(value) = told.get(variable) {
                assert_eq!(text(value), expected, "{service}");
            }
        }
    }
}

#[test]
fn every_stage_that_is_deployed_has_its_settings() {
    let settings = std::fs::read_to_string(project_root().join("samconfig.toml")).unwrap();
    let settings: toml::Table = settings.parse().unwrap();
    assert_eq!(
        settings["default"]["build"]["parameters"]["beta_features"].as_bool(),
        Some(true)
    );
    for stage in ["dev", "prod"] {
        let deploy = &settings[stage]["deploy"]["parameters"];
        assert_eq!(deploy["stack_name"].as_str(), Some("dashpot"));
        assert_eq!(
            deploy["parameter_overrides"][0].as_str(),
            Some(format!("Stage={stage}").as_str())
        );
    }
}
