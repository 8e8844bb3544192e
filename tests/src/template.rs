//! `template.yaml` as one stage sees it: parameters at their defaults, mappings and conditions looked up, and every
//! reference to a resource as plain text: `InventoryQueue` for `!Ref InventoryQueue`, `InventoryQueue.Arn` for
//! `!GetAtt InventoryQueue.Arn`.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Map, Value};

pub use dashpot_cli::resources::service_name;

/// The rows of its table of stages.
pub const STAGES: [&str; 3] = ["laptop", "dev", "prod"];

/// Those that take events from the topic, through a queue of their own.
pub const SUBSCRIBERS: [&str; 8] = [
    "Inventory",
    "Payments",
    "Warehouse",
    "Email",
    "Analytics",
    "Journal",
    "Listing",
    "Deadlines",
];

/// Those that take messages from a queue of their own: the subscribers, and those whom jobs are sent to.
pub const CONSUMERS: [&str; 11] = [
    "Inventory",
    "Payments",
    "Warehouse",
    "Email",
    "Analytics",
    "Journal",
    "Listing",
    "Deadlines",
    "Invoices",
    "InvoicesUrgent",
    "Quotes",
];

/// All of them.
pub const SERVICES: [&str; 15] = [
    "Checkout",
    "Sweeper",
    "Relay",
    "Inventory",
    "Payments",
    "Warehouse",
    "Email",
    "Analytics",
    "Journal",
    "Listing",
    "Deadlines",
    "Invoices",
    "InvoicesUrgent",
    "Quotes",
    "Orders",
];

/// The folder, package and binary of a service: its name, but for a second queue of the same work.
#[must_use]
pub fn binary(service: &str) -> String {
    service_name(service.strip_suffix("Urgent").unwrap_or(service))
}

/// Where the template lies.
#[must_use]
pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The template at one stage.
#[derive(Debug)]
pub struct Template {
    /// By logical id, each with type and properties.
    pub resources: Map<String, Value>,
    /// At their defaults.
    pub parameters: BTreeMap<String, Value>,
    /// The stage's row of the table.
    pub stage: Value,
    function_defaults: Value,
}

impl Template {
    /// The template as `stage` sees it; read once.
    #[must_use]
    pub fn at(stage: &str) -> &'static Self {
        static READ: LazyLock<BTreeMap<&str, Template>> =
            LazyLock::new(|| STAGES.map(|stage| (stage, Template::read(stage))).into());
        &READ[stage]
    }

    fn read(stage: &str) -> Self {
        let raw = dashpot_cli::template::load(&project_root().join("template.yaml")).unwrap();
        let parameters = raw["Parameters"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, declared)| (name.clone(), declared["Default"].clone()))
            .chain([("Stage".to_owned(), stage.into())])
            .collect();
        let resolver = Resolver {
            raw: &raw,
            parameters: &parameters,
        };
        let Some(Value::Object(resources)) = resolver.resolve(&raw["Resources"]) else {
            panic!("Resources is a mapping");
        };
        let function_defaults = resolver.resolve(&raw["Globals"]["Function"]).unwrap();
        let stage = raw["Mappings"]["Stages"][stage].clone();
        Self {
            resources,
            parameters,
            stage,
            function_defaults,
        }
    }

    /// The logical id and the properties of all resources of a type.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }

    /// A resource's properties.
    #[must_use]
    pub fn properties(&self, id: &str) -> &Value {
        let resource = self
            .resources
            .get(id)
            .unwrap_or_else(|| panic!("template.yaml has no {id}"));
        &resource["Properties"]
    }

    /// A property of a function, its own or the one that all share.
    #[must_use]
    pub fn of_function(&self, service: &str, property: &str) -> &Value {
        let own = &self.properties(&format!("{service}Function"))[property];
        if own.is_null() {
            &self.function_defaults[property]
        } else {
            own
        }
    }

    /// The event sources of a type: the function's logical id, the source's properties.
    pub fn event_sources<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.all("AWS::Serverless::Function")
            .flat_map(|(id, properties)| {
                let events = properties["Events"].as_object();
                events
                    .into_iter()
                    .flat_map(Map::values)
                    .map(move |event| (id, event))
            })
            .filter(move |(_, event)| event["Type"] == kind)
            .map(|(id, event)| (id, &event["Properties"]))
    }

    /// A parameter that is a number.
    #[must_use]
    pub fn seconds(&self, parameter: &str) -> f64 {
        self.parameters[parameter].as_f64().unwrap()
    }
}

struct Resolver<'a> {
    raw: &'a Value,
    parameters: &'a BTreeMap<String, Value>,
}

impl Resolver<'_> {
    /// `None` is `AWS::NoValue`: the property is not there.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(object) => match object.iter().next() {
                Some((name, argument)) if object.len() == 1 => self.function(name, argument, value),
                _ => Some(self.object(object)),
            },
            Value::Array(items) => Some(self.array(items)),
            scalar => Some(scalar.clone()),
        }
    }

    fn object(&self, object: &Map<String, Value>) -> Value {
        object
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), self.resolve(value)?)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn array(&self, items: &[Value]) -> Value {
        items
            .iter()
            .filter_map(|item| self.resolve(item))
            .collect::<Vec<_>>()
            .into()
    }

    fn function(&self, name: &str, argument: &Value, whole: &Value) -> Option<Value> {
        match name {
            "Ref" if argument == "AWS::NoValue" => None,
            "Ref" => {
                let name = argument.as_str().unwrap();
                let known = self.parameters.get(name);
                Some(known.cloned().unwrap_or_else(|| argument.clone()))
            }
            "Fn::GetAtt" => Some(format!("{}.{}", text(&argument[0]), text(&argument[1])).into()),
            // What stands between the braces stays as it is: tests compare it as text.
            "Fn::Sub" => Some(argument.as_array().map_or(argument, |it| &it[0]).clone()),
            "Fn::FindInMap" => {
                let keys = self.array(argument.as_array().unwrap());
                let [map, row, column] = [0, 1, 2].map(|at| text(&keys[at]).to_owned());
                Some(self.raw["Mappings"][map][row][column].clone())
            }
            "Fn::If" => {
                let chosen = if self.holds(&self.raw["Conditions"][text(&argument[0])]) {
                    1
                } else {
                    2
                };
                self.resolve(&argument[chosen])
            }
            other if other.starts_with("Fn::") => panic!("the tests cannot read {other}"),
            _ => Some(self.object(whole.as_object().unwrap())),
        }
    }

    fn holds(&self, condition: &Value) -> bool {
        if let Some(both) = condition["Fn::Equals"].as_array() {
            return self.resolve(&both[0]) == self.resolve(&both[1]);
        }
        !self.holds(&condition["Fn::Not"][0])
    }
}

/// A value that is text, or a panic that shows it.
#[must_use]
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not text"))
}

/// The items of a list, or the one item that stands without one.
#[must_use]
pub fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}
