//! Which message comes next.

use std::collections::{BTreeMap, BTreeSet};

/// The messages that can be received, in the order in which they will be.
#[derive(Debug)]
pub(super) enum Visible {
    /// By rank, then by age; the rank is random where the order is.
    Standard {
        ready: BTreeSet<(u64, u64)>,
        shuffled: bool,
    },
    /// By group: one of which a message is in flight is closed.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html>
    Fifo {
        groups: BTreeMap<String, Group>,
        /// The groups that can be received from, by the age of their oldest message.
        open: BTreeMap<u64, String>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Group {
    waiting: BTreeSet<u64>,
    in_flight: usize,
}

impl Visible {
    pub(super) fn new(fifo: bool, shuffled: bool) -> Self {
        if fifo {
            return Self::Fifo {
                groups: BTreeMap::new(),
                open: BTreeMap::new(),
            };
        }
        Self::Standard {
            ready: BTreeSet::new(),
            shuffled,
        }
    }

    /// A message can be received; `group` is what it is closed by on a FIFO queue. Its rank.
    pub(super) fn show(&mut self, number: u64, group: &str) -> u64 {
        match self {
            Self::Standard { ready, shuffled } => {
                let rank = if *shuffled { fastrand::u64(..) } else { 0 };
                ready.insert((rank, number));
                rank
            }
            Self::Fifo { groups, .. } => {
                let of = groups.entry(group.to_owned()).or_default();
                let head = of.waiting.first().copied();
                of.waiting.insert(number);
                self.reopen(group, head);
                0
            }
        }
    }

    /// A message that could be received is gone.
    pub(super) fn forget(&mut self, number: u64, rank: u64, group: &str) {
        match self {
            Self::Standard { ready, .. } => drop(ready.remove(&(rank, number))),
            Self::Fifo { groups, .. } => {
                let Some(of) = groups.get_mut(group) else {
                    return;
                };
                let head = of.waiting.first().copied();
                of.waiting.remove(&number);
                self.reopen(group, head);
            }
        }
    }

    /// The next message. One receive drains a group before it looks at the next: give it the same `draining` until
    /// [`close`](Self::close).
    pub(super) fn take(&mut self, draining: &mut Option<String>) -> Option<u64> {
        match self {
            Self::Standard { ready, .. } => ready.pop_first().map(|(_, number)| number),
            Self::Fifo { groups, open } => loop {
                if let Some(of) = draining.as_ref().and_then(|group| groups.get_mut(group))
                    && let Some(number) = of.waiting.pop_first()
                {
                    return Some(number);
                }
                if let Some(group) = draining.take() {
                    forget_empty(groups, &group);
                }
                *draining = Some(open.pop_first()?.1);
            },
        }
    }

    /// A taken message is in flight.
    pub(super) fn depart(&mut self, group: &str) {
        if let Self::Fifo { groups, .. } = self {
            groups.entry(group.to_owned()).or_default().in_flight += 1;
        }
    }

    /// A message is not in flight any more.
    pub(super) fn land(&mut self, group: &str) {
        if let Self::Fifo { groups, .. } = self
            && let Some(of) = groups.get_mut(group)
        {
            of.in_flight -= 1;
            self.reopen(group, None);
        }
    }

    /// Ends a receive.
    pub(super) fn close(&mut self, draining: Option<String>) {
        if let Some(group) = draining {
            self.reopen(&group, None);
        }
    }

    /// Puts a group where it belongs; `head` is the number under which it may be open.
    fn reopen(&mut self, group: &str, head: Option<u64>) {
        let Self::Fifo { groups, open } = self else {
            return;
        };
        if let Some(head) = head {
            open.remove(&head);
        }
        if let Some(of) = groups.get(group)
            && of.in_flight == 0
            && let Some(first) = of.waiting.first()
        {
            open.insert(*first, group.to_owned());
        }
        forget_empty(groups, group);
    }
}

fn forget_empty(groups: &mut BTreeMap<String, Group>, group: &str) {
    if groups
        .get(group)
        .is_some_and(|of| of.waiting.is_empty() && of.in_flight == 0)
    {
        groups.remove(group);
    }
}
