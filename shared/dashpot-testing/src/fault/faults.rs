//! One process and its calls.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use dashpot::{Queue, Store};

use super::queue::FaultyQueue;
use super::store::FaultyStore;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It does not reach the other side, and fails at once.
    FailBefore,
    /// It acts, and its answer is lost.
    LoseAnswer,
    /// It acts, and its answer comes so much later.
    Delay(Duration),
    /// It is so long on its way, and acts then, whether or not anybody still waits for it.
    Late(Duration),
    /// The other side refuses it because there are too many; it does nothing.
    Throttle,
    /// The other side refuses it because somebody else is at the same thing; it does nothing.
    Conflict,
    /// The connection breaks before all of it was sent: it does nothing, and the caller cannot know that.
    Reset,
    /// The process ends before it.
    KillBefore,
    /// It acts, and the process ends before it sees the answer.
    KillAfter,
    /// The process ends as soon as it is sent; it is so long on its way, and acts then, when others may have moved on.
    Orphan(Duration),
}

impl Fault {
    /// One of each kind; what is slow takes `slow`, which should be longer than the caller can wait.
    #[must_use]
    pub fn each(slow: Duration) -> [Self; 10] {
        [
            Self::FailBefore,
            Self::LoseAnswer,
            Self::Delay(slow),
            Self::Late(slow),
            Self::Throttle,
            Self::Conflict,
            Self::Reset,
            Self::KillBefore,
            Self::KillAfter,
            Self::Orphan(slow),
        ]
    }

    /// Whether the process ends by it.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter | Self::Orphan(_))
    }
}

/// What the error that the caller gets says.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailBefore => "not reached",
            Self::LoseAnswer => "the answer was lost",
            Self::Delay(_) => "slow to answer",
            Self::Late(_) => "slow to arrive",
            Self::Throttle => "too many calls",
            Self::Conflict => "somebody else is at it",
            Self::Reset => "connection reset",
            Self::KillBefore => "the process ended before it",
            Self::KillAfter => "the process ended after it",
            Self::Orphan(_) => "the process ended while it was on its way",
        })
    }
}

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// Which function makes it.
    pub function: &'static str,
    /// What it asks for: `store.commit`, `queue.park`, or what [`Faults::call`] was told.
    pub operation: &'static str,
    /// How many calls this process made before it.
    pub index: usize,
}

/// The process ended, as by SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process was killed")]
pub struct Died;

/// One process, and all that goes wrong with its calls. Clones are the same process.
///
/// Wrap each port that the process is given, and run the process inside [`run`](Self::run). Here one dies after its
/// first transaction, before it gets to know that it happened:
///
/// ```
/// use std::sync::Arc;
/// use dashpot::{Key, Row, Store, Write};
/// use dashpot_testing::MemoryStore;
/// use dashpot_testing::fault::{Fault, Faults};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let table = Arc::new(MemoryStore::new());
/// let faults = Faults::new("thumbnails", |call| (call.index == 0).then_some(Fault::KillAfter));
/// let store = faults.store(Arc::clone(&table));
/// let process = async move {
///     for name in ["first", "second"] {
///         store.commit(&[Write::put(Row::new(Key::new(name)))]).await.expect("it commits");
///     }
/// };
/// assert!(faults.run(process).await.is_err());
/// assert!(table.row(&Key::new("first")).is_some());
/// assert!(table.row(&Key::new("second")).is_none());
/// # }
/// ```
#[derive(Clone)]
pub struct Faults(Arc<Process>);

type Decide = dyn Fn(&Call) -> Option<Fault> + Send + Sync;

struct Process {
    function: &'static str,
    decide: Box<Decide>,
    calls: AtomicUsize,
    is_dead: AtomicBool,
}

impl Faults {
    /// A process of this function. `decide` is asked about each call before it is made; none is a call that goes well.
    pub fn new(
        function: &'static str,
        decide: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Process {
            function,
            decide: Box::new(decide),
            calls: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
        }))
    }

    /// A process with which nothing goes wrong; its calls are counted all the same.
    #[must_use]
    pub fn none(function: &'static str) -> Self {
        Self::new(function, |_| None)
    }

    /// How many calls it has made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Whether it was killed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.is_dead.load(Ordering::Relaxed)
    }

    /// Runs the process; a kill drops the future between two polls, as SIGKILL ends a process between two
    /// instructions: nothing of it gets to know, and nothing of it goes on.
    ///
    /// # Errors
    /// [`Died`] when it was killed.
    pub async fn run<F: Future>(&self, process: F) -> Result<F::Output, Died> {
        let mut process = Box::pin(process);
        poll_fn(|cx| {
            let polled = process.as_mut().poll(cx);
            match polled {
                _ if self.is_dead() => Poll::Ready(Err(Died)),
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The store, as this process reaches it. Operations: `store.commit`, `store.get`, `store.query`.
    pub fn store<S: Store + Clone + 'static>(&self, store: S) -> FaultyStore<S> {
        FaultyStore::new(store, self.clone())
    }

    /// The queue, as this process reaches it. Operations: `queue.delay`, `queue.delete`, `queue.park`.
    pub fn queue<Q: Queue>(&self, queue: Q) -> FaultyQueue<Q> {
        FaultyQueue::new(queue, self.clone())
    }

    /// A call of any other port: what it does, and what its caller gets to hear of a fault. Errors are the port's own
    /// words: whoever wraps a port says which of them the real client would use.
    ///
    /// ```
    /// # use dashpot_testing::fault::{Fault, Faults};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let faults = Faults::new("email", |_| Some(Fault::Throttle));
    /// let send = async { Ok("sent") };
    /// let answer = faults.call("mailer.send", send, |fault| Err(fault.to_string())).await;
    /// assert_eq!(answer, Err("too many calls".to_owned()));
    /// # }
    /// ```
    pub async fn call<T, F>(
        &self,
        operation: &'static str,
        act: F,
        error: impl FnOnce(Fault) -> T + Send,
    ) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let act = |late| async move {
            match late {
                None => act.await,
                Some(late) => arrive(late, act).await,
            }
        };
        self.around(operation, act, error).await
    }

    /// What every wrapped call is: `act` is told how late it is to arrive, if it is. Does not return if the process is
    /// dead, or dies now.
    pub(super) async fn around<T, F>(
        &self,
        operation: &'static str,
        act: impl FnOnce(Option<Duration>) -> F + Send,
        error: impl FnOnce(Fault) -> T + Send,
    ) -> T
    where
        F: Future<Output = T> + Send,
        T: Send,
    {
        // Lets the calls of messages that are handled at once take turns, as they do on a wire.
        tokio::task::yield_now().await;
        self.survive().await;
        let fault = (self.0.decide)(&Call {
            function: self.0.function,
            operation,
            index: self.0.calls.fetch_add(1, Ordering::Relaxed),
        });
        let answer = match fault {
            Some(Fault::KillBefore) => return self.die().await,
            Some(
                fault @ (Fault::FailBefore | Fault::Throttle | Fault::Conflict | Fault::Reset),
            ) => return error(fault),
            Some(Fault::Late(late)) => act(Some(late)).await,
            Some(Fault::Orphan(late)) => {
                let mut sent = Box::pin(act(Some(late)));
                // One poll sends it: from there on it needs no process.
                let is_sent = poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx).is_ready()));
                is_sent.await;
                return self.die().await;
            }
            None | Some(Fault::LoseAnswer | Fault::Delay(_) | Fault::KillAfter) => act(None).await,
        };
        match fault {
            Some(Fault::KillAfter) => return self.die().await,
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            _ => {}
        }
        self.survive().await;
        match fault {
            Some(fault @ Fault::LoseAnswer) => error(fault),
            _ => answer,
        }
    }

    /// Nothing of a dead process goes on, not even in the poll in which it was killed.
    async fn survive(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    async fn die<T>(&self) -> T {
        self.0.is_dead.store(true, Ordering::Relaxed);
        pending().await
    }
}

/// A request that is on its way, whatever becomes of whoever sent it.
pub(super) async fn arrive<T: Send + 'static>(
    late: Duration,
    act: impl Future<Output = T> + Send + 'static,
) -> T {
    let request = async move {
        tokio::time::sleep(late).await;
        act.await
    };
    match tokio::spawn(request).await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("function", &self.0.function)
            .field("calls", &self.calls())
            .field("is_dead", &self.is_dead())
            .finish_non_exhaustive()
    }
}
