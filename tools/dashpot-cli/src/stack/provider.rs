//! The payment provider's sandbox, served for the functions of one stack.

use std::net::TcpListener;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use crate::sandbox;

/// A sandbox on a thread and a runtime of its own: the stack outlives the runtime of the test that
/// started it.
#[derive(Debug)]
pub(super) struct Provider {
    url: String,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Serves a new, empty sandbox on a free port.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let (shutdown, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("payment-sandbox".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let stopped = async {
                        // A stack that is gone without a word has no use for a sandbox either.
                        let _ = stopped.await;
                    };
                    let served = match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => sandbox::serve(listener, stopped).await,
                        Err(cause) => Err(cause),
                    };
                    if let Err(cause) = served {
                        anstream::eprintln!("the payment sandbox ended: {cause}");
                    }
                });
            })
            .context("cannot start the payment sandbox")?;
        Ok(Self {
            url,
            shutdown: Some(shutdown),
            thread: Some(thread),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            // It may have ended already.
            let _ = shutdown.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
