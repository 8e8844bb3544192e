//! The event source mapping of a stream.

use std::sync::{Arc, Mutex};

use dashpot::{Key, Row, Store, Write};
use dashpot_testing::{EventFilter, FunctionError, MemoryStore, StreamMapping, function};

#[tokio::test(start_paused = true)]
async fn a_mapping_can_run_as_a_task_of_its_own() {
    let store = MemoryStore::new();
    let stream = store.stream();
    for n in 0..3 {
        let row = Row::new(Key::of("outbox#1", n.to_string()));
        store.commit(&[Write::create(row)]).await.unwrap();
    }
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let keep = Arc::clone(&seen);
    let read = Arc::clone(&stream);
    let running = tokio::spawn(async move {
        let mapping = StreamMapping {
            filter: EventFilter::inserted("outbox#"),
            ..StreamMapping::default()
        };
        let relay = move || {
            let keep = Arc::clone(&keep);
            function(move |event, _| {
                keep.lock().unwrap().push(event);
                let first = keep.lock().unwrap().len() == 1;
                async move {
                    if first {
                        return Err(FunctionError::Failed("once".into()));
                    }
                    Ok("null".to_owned())
                }
            })
        };
        mapping.run(&read, relay).await
    });
    stream.until(|stream| stream.behind() == 0).await;
    running.abort();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].matches("INSERT").count(), 3);
}
