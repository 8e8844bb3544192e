//! Connections: one task each, ended with the sandbox, and dropped where an answer is to be lost.

use std::io::ErrorKind;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::provider::Provider;
use super::routes;

/// Takes connections until the listener fails.
pub(super) async fn accept(listener: TcpListener, provider: Arc<Provider>) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let provider = Arc::clone(&provider);
                    let service = service_fn(move |request| {
                        let answer = routes::answer(Arc::clone(&provider), request);
                        // An error makes hyper close the connection without a word.
                        async { answer.await.ok_or(ErrorKind::ConnectionAborted).map_err(std::io::Error::from) }
                    });
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // An error is an answer lost on purpose, or a client that went away.
                    connections.spawn(async move { drop(connection.await) });
                }
                // The client was gone before it was let in.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
                Err(error) => return Err(error),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
