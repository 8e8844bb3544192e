use std::collections::BTreeSet;

use serde_json::{Value, json};

use system_tests::template::{CONSUMERS, Template, binary, text};

/// `namespace metric of dimension value`, for every alarm that goes off at more than its threshold.
fn alarms() -> BTreeSet<String> {
    Template::at("prod")
        .all("AWS::CloudWatch::Alarm")
        .map(|(_, alarm)| {
            assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
            format!(
                "{} {} of {}",
                text(&alarm["Namespace"]),
                text(&alarm["MetricName"]),
                text(&alarm["Dimensions"][0]["Value"])
            )
        })
        .collect()
}

#[test]
fn every_dead_letter_queue_has_an_alarm_that_one_message_sets_off() {
    let template = Template::at("prod");
    for (id, _) in template.all("AWS::SQS::Queue") {
        let Some(service) = id.strip_suffix("DeadLetterQueue") else {
            continue;
        };
        let alarm = template.properties(&format!("{service}DeadLetterAlarm"));
        assert_eq!(alarm["MetricName"], "ApproximateNumberOfMessagesVisible");
        assert_eq!(
            alarm["Dimensions"],
            json!([{"Name": "QueueName", "Value": format!("{id}.QueueName")}])
        );
        assert_eq!(alarm["Threshold"], 0);
    }
}

#[test]
fn every_consumer_is_watched_for_age_parked_and_failed() {
    let alarms = alarms();
    for service in CONSUMERS {
        let name = binary(service);
        for expected in [
            format!("AWS/SQS ApproximateAgeOfOldestMessage of {service}Queue.QueueName"),
            format!("Dashpot parked of {name}"),
            format!("Dashpot failed of {name}"),
        ] {
            assert!(alarms.contains(&expected), "{expected}");
        }
    }
}

#[test]
fn the_relay_is_watched_for_falling_behind() {
    assert!(alarms().contains("AWS/Lambda IteratorAge of RelayFunction"));
}

#[test]
fn the_sweeper_is_watched_for_holds_that_it_cannot_void() {
    assert!(alarms().contains("Dashpot stuck of sweeper"));
}

#[test]
fn orders_are_watched_for_being_late() {
    assert!(alarms().contains("Dashpot late of deadlines"));
}

#[test]
fn an_alarm_tells_a_topic_only_where_one_is_given() {
    for (id, alarm) in Template::at("prod").all("AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], Value::Null, "{id}");
    }
    let raw =
        dashpot_cli::template::load(&system_tests::template::project_root().join("template.yaml"));
    let raw = raw.unwrap();
    let alarms = raw["Resources"]
        .as_object()
        .unwrap()
        .values()
        .filter(|it| it["Type"] == "AWS::CloudWatch::Alarm");
    for alarm in alarms {
        assert_eq!(
            alarm["Properties"]["AlarmActions"],
            json!({"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]})
        );
    }
}

#[test]
fn the_dashboard_shows_depth_age_time_failures_and_dead_letters() {
    let template = Template::at("prod");
    let body: Value =
        serde_json::from_str(text(&template.properties("Dashboard")["DashboardBody"])).unwrap();
    let shown: Vec<String> = body["widgets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap())
        .map(Value::to_string)
        .collect();
    for metric in [
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "handlerDuration",
        "dwellTime",
        "processed",
        "duplicates",
        "failed",
        "parked",
        "IteratorAge",
    ] {
        assert!(shown.iter().any(|it| it.contains(metric)), "{metric}");
    }
}
