use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use strict_json::Malformed;

/// A fact in the past tense, with the name and the version under which it is published.
pub trait Event: Serialize + DeserializeOwned + Send {
    /// The name under which it is published: `order.placed`.
    const TYPE: &'static str;
    /// The version of the schema under which it is published. Additive changes do not raise it.
    const VERSION: u32;
    /// Every name under which it may arrive, older ones included. A subscription's filter lists these.
    const NAMES: &'static [&'static str] = &[Self::TYPE];

    /// What it is about; the journal files it there.
    fn subject(&self) -> &str;

    /// Whose it is: messages of one group compete with one another, not with everybody's (fair queues).
    fn group(&self) -> &str;

    /// Reads a payload that arrived as `name` in `version`. Overridden where an older one is upcast.
    ///
    /// # Errors
    /// [`Unreadable`] says whether waiting for a deployment can help.
    fn read(name: &str, version: u32, payload: &str) -> Result<Self, Unreadable> {
        if name != Self::TYPE {
            return Err(Unreadable::UnknownType);
        }
        match version.cmp(&Self::VERSION) {
            std::cmp::Ordering::Equal => Ok(strict_json::from_str(payload)?),
            std::cmp::Ordering::Greater => Err(Unreadable::NewerVersion {
                known: Self::VERSION,
            }),
            std::cmp::Ordering::Less => Err(Unreadable::RetiredVersion {
                oldest: Self::VERSION,
            }),
        }
    }
}

/// The events that one consumer takes; [`event_set!`](crate::event_set) makes one.
pub trait EventSet: Sized + Send {
    /// The names that the consumer subscribes to; empty where it takes everything.
    fn types() -> Vec<&'static str>;

    /// Reads the payload of the event called `name`: the text between its neighbours in the envelope, which nobody has read
    /// yet. So it is to be read as a whole, also where little of it is wanted: else what is no JSON passes for an event.
    ///
    /// # Errors
    /// [`Unreadable`] says whether waiting for a deployment can help.
    fn read(name: &str, version: u32, payload: &str) -> Result<Self, Unreadable>;

    /// What it is about, where the payload says so: see [`Event::subject`].
    fn about(&self) -> Option<&str> {
        None
    }
}

/// Everything, known or not, as it came.
impl EventSet for Box<RawValue> {
    fn types() -> Vec<&'static str> {
        Vec::new()
    }

    fn read(_: &str, _: u32, payload: &str) -> Result<Self, Unreadable> {
        Ok(serde_json::from_str(payload)?)
    }
}

impl<T: Event> EventSet for T {
    fn types() -> Vec<&'static str> {
        T::NAMES.to_vec()
    }

    fn read(name: &str, version: u32, payload: &str) -> Result<Self, Unreadable> {
        <T as Event>::read(name, version, payload)
    }

    fn about(&self) -> Option<&str> {
        Some(self.subject())
    }
}

/// Why a payload cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unreadable {
    /// No event of that name is known here. During a deployment this is "not yet".
    UnknownType,
    /// The schema is newer than the newest known here. During a deployment this is "not yet".
    NewerVersion {
        /// The newest version known here.
        known: u32,
    },
    /// The schema is older than anything that is still upcast: nothing will change that.
    RetiredVersion {
        /// The oldest version known here.
        oldest: u32,
    },
    /// The payload does not have the shape that its name and version promise: nothing will change that.
    Malformed(Malformed),
}

impl Unreadable {
    /// Whether a deployment in progress may make it readable.
    #[must_use]
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::UnknownType | Self::NewerVersion { .. })
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownType => write!(f, "the event type is not known here"),
            Self::NewerVersion { known } => {
                write!(f, "the newest version known here is {known}")
            }
            Self::RetiredVersion { oldest } => {
                write!(f, "the oldest version known here is {oldest}")
            }
            Self::Malformed(_) => write!(f, "the payload is malformed"),
        }
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<Malformed> for Unreadable {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

/// Declares the closed set of events that a consumer takes, as an enum with one variant an event.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use dashpot_envelope::{Event, EventSet, event_set};
/// #[derive(Debug, Serialize, Deserialize)]
/// pub struct OrderPlaced { order: String }
/// impl Event for OrderPlaced {
///     const TYPE: &'static str = "order.placed";
///     const VERSION: u32 = 1;
///     fn subject(&self) -> &str { &self.order }
///     fn group(&self) -> &str { &self.order }
/// }
///
/// event_set! {
///     /// What this consumer takes.
///     pub enum Incoming { OrderPlaced(OrderPlaced) }
/// }
/// assert_eq!(Incoming::types(), ["order.placed"]);
/// ```
#[macro_export]
macro_rules! event_set {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident($event:ty)),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis enum $name {
            $(
                $(#[$variant_meta])*
                #[doc = concat!("[`", stringify!($event), "`]")]
                $variant($event),
            )+
        }

        impl $crate::EventSet for $name {
            fn types() -> ::std::vec::Vec<&'static str> {
                let mut types = ::std::vec::Vec::new();
                $(types.extend_from_slice(<$event as $crate::Event>::NAMES);)+
                types
            }

            fn read(
                name: &str,
                version: u32,
                payload: &str,
            ) -> ::std::result::Result<Self, $crate::Unreadable> {
                $(
                    if <$event as $crate::Event>::NAMES.contains(&name) {
                        return <$event as $crate::Event>::read(name, version, payload).map(Self::$variant);
                    }
                )+
                ::std::result::Result::Err($crate::Unreadable::UnknownType)
            }

            fn about(&self) -> ::std::option::Option<&str> {
                match self {
                    $(Self::$variant(event) => ::std::option::Option::Some(<$event as $crate::Event>::subject(event)),)+
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    struct Done {
        id: String,
    }

    impl Event for Done {
        const TYPE: &'static str = "thing.done";
        const VERSION: u32 = 2;
        fn subject(&self) -> &str {
            &self.id
        }
        fn group(&self) -> &str {
            &self.id
        }
    }

    event_set! {
        enum Incoming { Done(Done) }
    }

    fn read(name: &str, version: u32, payload: &str) -> Result<Incoming, Unreadable> {
        <Incoming as EventSet>::read(name, version, payload)
    }

    #[test]
    fn an_event_is_read_by_name_and_version() {
        let event = read("thing.done", 2, r#"{"id":"a","new":1}"#).unwrap();
        assert_eq!(event.about(), Some("a"));
        let Incoming::Done(done) = event;
        assert_eq!((done.subject(), done.group()), ("a", "a"));
    }

    #[test]
    fn what_a_deployment_may_bring_is_not_yet_and_the_rest_is_never() {
        let not_yet =
            |name, version, payload| read(name, version, payload).unwrap_err().is_not_yet();
        assert!(not_yet("thing.undone", 1, "{}"));
        assert!(not_yet("thing.done", 3, "{}"));
        assert!(!not_yet("thing.done", 1, "{}"));
        assert!(!not_yet("thing.done", 2, "{}"));
    }
}
