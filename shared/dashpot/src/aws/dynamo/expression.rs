//! Conditions and changes as DynamoDB's expressions: every name and every value is a placeholder, so that no
//! reserved word and no text from outside is ever part of one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::value::attribute;
use crate::row::{Change, Condition, Value};

#[derive(Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn names(&mut self) -> Option<HashMap<String, String>> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }

    pub(super) fn values(&mut self) -> Option<HashMap<String, AttributeValue>> {
        Some(std::mem::take(&mut self.values)).filter(|values| !values.is_empty())
    }

    fn name(&mut self, name: &str) -> String {
        let known = self.names.iter().find(|(_, known)| *known == name);
        if let Some((placeholder, _)) = known {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), attribute(value));
        placeholder
    }

    pub(super) fn condition(&mut self, condition: &Condition) -> Option<String> {
        if condition.is_always() {
            return None;
        }
        Some(match condition {
            Condition::Always => return None,
            Condition::Absent => format!("attribute_not_exists({})", self.name("pk")),
            Condition::Present => format!("attribute_exists({})", self.name("pk")),
            Condition::Missing(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Equals(name, value) => {
                format!("{} = {}", self.name(name), self.value(value))
            }
            Condition::AtLeast(name, bound) => {
                format!("{} >= {}", self.name(name), self.value(&Value::N(*bound)))
            }
            Condition::Below(name, bound) => {
                format!("{} < {}", self.name(name), self.value(&Value::N(*bound)))
            }
            Condition::All(all) => return self.joined(all, " AND "),
            // None of none: never.
            Condition::Any(any) if any.is_empty() => {
                let key = self.name("pk");
                format!("attribute_exists({key}) AND attribute_not_exists({key})")
            }
            Condition::Any(any) => return self.joined(any, " OR "),
        })
    }

    fn joined(&mut self, conditions: &[Condition], by: &str) -> Option<String> {
        let parts: Vec<String> = conditions
            .iter()
            .filter_map(|condition| self.condition(condition))
            .map(|part| format!("({part})"))
            .collect();
        (!parts.is_empty()).then(|| parts.join(by))
    }

    pub(super) fn update(&mut self, changes: &[Change]) -> Option<String> {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Set(name, value) => {
                    set.push(format!("{} = {}", self.name(name), self.value(value)));
                }
                Change::Add(name, amount) => {
                    add.push(format!(
                        "{} {}",
                        self.name(name),
                        self.value(&Value::N(*amount))
                    ));
                }
                Change::Remove(name) => remove.push(self.name(name)),
            }
        }
        let clauses: Vec<String> = [("SET", set), ("ADD", add), ("REMOVE", remove)]
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(clause, parts)| format!("{clause} {}", parts.join(", ")))
            .collect();
        (!clauses.is_empty()).then(|| clauses.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternative_to_always_is_always_and_one_of_nothing_is_never() {
        let alternative = Condition::Any(vec![Condition::Present, Condition::Always]);
        let mut expression = Expression::default();
        assert_eq!(expression.condition(&alternative), None);
        assert_eq!(expression.names(), None);
        let both = Condition::Present.and(Condition::Always);
        assert_eq!(
            Expression::default().condition(&both).as_deref(),
            Some("(attribute_exists(#n0))")
        );
        let never = Condition::one_of("state", []);
        assert_eq!(
            Expression::default().condition(&never).as_deref(),
            Some("attribute_exists(#n0) AND attribute_not_exists(#n0)")
        );
    }

    #[test]
    fn names_and_values_are_placeholders() {
        let mut expression = Expression::default();
        let condition =
            Condition::one_of("state", ["a", "b"]).and(Condition::AtLeast("n".into(), 2));
        assert_eq!(
            expression.condition(&condition).as_deref(),
            Some("((#n0 = :v0) OR (#n0 = :v1)) AND (#n1 >= :v2)")
        );
        let changes = [
            Change::Add("n".into(), -2),
            Change::Set("state".into(), "c".into()),
            Change::Remove("owner".into()),
        ];
        assert_eq!(
            expression.update(&changes).as_deref(),
            Some("SET #n0 = :v4 ADD #n1 :v3 REMOVE #n2")
        );
        assert_eq!(expression.names().map(|names| names.len()), Some(3));
        assert_eq!(expression.values().map(|values| values.len()), Some(5));
    }

    #[test]
    fn an_unconditional_write_has_no_expression() {
        assert_eq!(Expression::default().condition(&Condition::Always), None);
        assert_eq!(Expression::default().values(), None);
    }
}
