use std::fmt;

use serde_json::Value;

/// A JSON document as text: members may be there twice, and a leaf may be anything.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Leaf(String),
    Array(Vec<Document>),
    Object(Vec<(String, Document)>),
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(elements) => Self::Array(elements.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| {
                        (Value::from(name.as_str()).to_string(), Self::from(value))
                    })
                    .collect(),
            ),
            leaf => Self::Leaf(leaf.to_string()),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Array(elements) => {
                let texts: Vec<String> = elements.iter().map(Self::to_string).collect();
                write!(f, "[{}]", texts.join(","))
            }
            Self::Object(members) => {
                let texts: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                write!(f, "{{{}}}", texts.join(","))
            }
        }
    }
}

impl Document {
    /// How many values there are, itself included.
    pub(crate) fn len(&self) -> usize {
        1 + match self {
            Self::Leaf(_) => 0,
            Self::Array(elements) => elements.iter().map(Self::len).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.len()).sum(),
        }
    }

    /// The value that comes so many after this one.
    pub(crate) fn at(&mut self, index: usize) -> Option<&mut Self> {
        if index == 0 {
            return Some(self);
        }
        let mut before = 1;
        let children: Box<dyn Iterator<Item = &mut Self>> = match self {
            Self::Leaf(_) => return None,
            Self::Array(elements) => Box::new(elements.iter_mut()),
            Self::Object(members) => Box::new(members.iter_mut().map(|(_, value)| value)),
        };
        for child in children {
            let len = child.len();
            if index < before + len {
                return child.at(index - before);
            }
            before += len;
        }
        None
    }
}
