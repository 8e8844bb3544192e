//! Which rows serve, and which are being built.
//!
//! The rows of a generation begin with its name, so that a new one is built beside the old, unseen. One row, the
//! pointer, says which is which; it is moved in one write.

use dashpot::{Condition, Item, Key, Row, Value, Write};

/// A generation of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "g{}", self.0)
    }
}

impl Generation {
    /// The generation of a row, by its partition key; none where it belongs to none.
    #[must_use]
    pub fn of_row(pk: &str) -> Option<Self> {
        let (generation, _) = pk.strip_prefix('g')?.split_once("#order#")?;
        generation.parse().ok().map(Self)
    }
}

/// What the pointer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generations {
    /// The one that answers.
    pub serving: Generation,
    /// The one that a rebuild is filling, with when that began, in milliseconds since the Unix epoch.
    pub building: Option<(Generation, u64)>,
    /// Grows with each change of the pointer.
    pub version: i64,
}

/// Before the first rebuild there is no row.
impl Default for Generations {
    fn default() -> Self {
        Self {
            serving: Generation(1),
            building: None,
            version: 0,
        }
    }
}

impl Generations {
    /// Where the pointer lies.
    #[must_use]
    pub fn key() -> Key {
        Key::new("generations")
    }

    /// What the pointer's row says.
    ///
    /// # Errors
    /// The row says nothing that is understood here.
    pub fn read(row: Option<&Item>) -> Result<Self, NoPointer> {
        let Some(row) = row else {
            return Ok(Self::default());
        };
        let number = |name: &str| row.get(name).and_then(Value::as_i64);
        let generation = |name: &str| {
            let number = number(name).map(u32::try_from).transpose();
            number.map(|it| it.map(Generation)).map_err(|_| NoPointer)
        };
        let begun = u64::try_from(number("begun").unwrap_or_default()).unwrap_or_default();
        Ok(Self {
            serving: generation("serving")?.ok_or(NoPointer)?,
            building: generation("building")?.map(|it| (it, begun)),
            version: number("version").ok_or(NoPointer)?,
        })
    }

    /// Those into which live events go.
    pub fn live(&self) -> impl Iterator<Item = Generation> + use<> {
        let building = self.building.map(|(generation, _)| generation);
        std::iter::once(self.serving).chain(building)
    }

    /// The pointer once a new generation is being built, and the write that makes it so. One that was being built before is
    /// given up.
    #[must_use]
    pub fn begin(&self, now: u64) -> (Self, Write) {
        let next = self.live().map(|it| it.0).max().unwrap_or_default() + 1;
        self.moved(self.serving, Some((Generation(next), now)))
    }

    /// The pointer once the new generation answers, and the write that makes it so.
    #[must_use]
    pub fn flip(&self, to: Generation) -> (Self, Write) {
        self.moved(to, None)
    }

    fn moved(&self, serving: Generation, building: Option<(Generation, u64)>) -> (Self, Write) {
        let next = Self {
            serving,
            building,
            version: self.version + 1,
        };
        let mut row = Row::new(Self::key())
            .set("serving", serving.0)
            .set("version", next.version);
        if let Some((generation, begun)) = building {
            row = row.set("building", generation.0).set("begun", begun);
        }
        // Only as it was looked at: of two who move it, one finds out.
        let unmoved = match self.version {
            0 => Condition::Absent,
            version => Condition::equals("version", version),
        };
        (next, Write::put(row).when(unmoved))
    }
}

/// The pointer's row is there, and does not say which generation serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row `generations` does not say which generation serves")]
pub struct NoPointer;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::{CommitError, Store};
    use dashpot_testing::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_generation_is_begun_and_flipped_by_one_writer_at_a_time() {
        let store = MemoryStore::new();
        let now = || Generations::read(store.row(&Generations::key()).as_ref()).unwrap();
        let start = now();
        assert_eq!(start, Generations::default());
        let (begun, write) = start.begin(7);
        store.commit(&[write]).await.unwrap();
        assert_eq!((now(), begun.building), (begun, Some((Generation(2), 7))));
        assert_eq!(
            begun.live().collect::<Vec<_>>(),
            [Generation(1), Generation(2)]
        );
        let refused = store.commit(&[start.begin(8).1]).await;
        assert!(matches!(refused, Err(CommitError::Refused(_))));
        // One that is given up is not filled again by another name.
        assert_eq!(begun.begin(9).0.building, Some((Generation(3), 9)));

        let (flipped, write) = begun.flip(Generation(2));
        store.commit(&[write]).await.unwrap();
        assert_eq!(now(), flipped);
        assert_eq!((flipped.serving, flipped.building), (Generation(2), None));
    }

    #[test]
    fn a_row_tells_its_generation() {
        assert_eq!(Generation::of_row("g12#order#o-1"), Some(Generation(12)));
        for pk in [
            "generations",
            "g#order#1",
            "gx#order#1",
            "log#1#2",
            "g1#orders",
        ] {
            assert_eq!(Generation::of_row(pk), None, "{pk}");
        }
    }

    #[test]
    fn a_pointer_that_cannot_be_read_is_no_pointer_to_the_first_generation() {
        let row = Row::new(Generations::key()).set("serving", "two");
        assert_eq!(Generations::read(Some(&row.attributes)), Err(NoPointer));
    }
}
